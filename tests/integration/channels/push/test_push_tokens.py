"""Google's access token is fetched by one for all, in a time of its own; without one, nothing was sent."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from aiohttp import web

from tests.support.events import VENDOR, event
from tests.support.ticks import Ticks
from tests.support.world import World

pytestmark = pytest.mark.any_database

PUSHES = 32


async def told(world: World) -> None:
    for n in range(PUSHES):
        person = {"customer": {"push_tokens": [f"token-{n}"]}}
        await world.accept(event(f"G-{n}", "vendor_en_route", recipients=person, assignee=VENDOR))


async def states(world: World) -> Counter[str]:
    return Counter([s for n in range(PUSHES) for _, s in await world.messages(f"G-{n}", "push")])


@pytest.mark.uninterrupted
@pytest.mark.parametrize("status", [400, 401, 403])
async def test_a_key_that_google_refuses_is_asked_for_once(world: World, status: int) -> None:
    asked = 0

    async def refuse(_request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        return web.json_response({"error": "invalid_grant", "error_description": "Invalid JWT"}, status=status)

    world.providers.give_token = refuse
    await told(world)
    await world.settled()
    assert asked <= 2
    assert world.app.routes["push"].is_open(world.app.routes["push"].providers[0])
    assert set(await states(world)) <= {"pending", "retrying"}
    assert "invalid_grant: Invalid JWT" in next(iter(world.app.health.known())).in_words
    world.providers.give_token = None

    async def all_out() -> bool:
        # A failure is everybody's for a second of real time: a probe within it meets it once more.
        await world.move(seconds=61)
        return await _all_sent(world)

    await world.until(all_out, "all go out")


@pytest.mark.uninterrupted
async def test_a_token_address_that_hangs_holds_up_no_send_beyond_its_time(world: World) -> None:
    async def hang(_request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response(status=500)

    world.providers.give_token = hang
    async with Ticks() as took:
        await told(world)
        await world.until(lambda: world.app.routes["push"].is_open(world.app.routes["push"].providers[0]))
        await world.settled()
    assert took.seconds < 15
    found: Any = await states(world)
    assert set(found) <= {"pending", "retrying"}, "nothing left us, so nothing is unknown"


async def _all_sent(world: World) -> bool:
    return set(await states(world)) == {"sent"}

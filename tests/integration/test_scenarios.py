"""The cases of the scenario files through the whole service with a moved clock.

Each kind of thing that the parts around `decide` do has cases that say `on_real_parts`; the others, all of which are
played against `decide` in tests/unit, come through here in the long form.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web

from tests.support.events import NOON
from tests.support.providers import Sent
from tests.support.scenarios import cases, check, is_away, play
from tests.support.world import World


def real() -> Iterator[Any]:
    """The cases; in the short form the first on both databases, the others on any: it is not the workflow that differs."""
    is_first = True
    for workflow, case in cases():
        marks = [] if case.get("on_real_parts") else [pytest.mark.long]
        if not marks and not is_first:
            marks = [pytest.mark.any_database]
        is_first = is_first and bool(marks)
        yield pytest.param(workflow, case, id=f"{workflow}: {case['name']}", marks=marks)


CASES = list(real())


def silence(world: World, case: dict[str, Any]) -> None:
    """Providers that are away when the case says so."""

    def away(channel: str) -> bool:
        return is_away(case, channel, world.clock.now() - NOON)

    async def behave(sent: Sent) -> web.StreamResponse | None:
        if not away(sent.channel):
            return None
        body = {"code": 20429, "message": "slow down", "status": 429}
        return web.json_response(body, status=429, headers={"Retry-After": "60"})

    world.providers.behave = behave
    world.mailbox.refuse_rcpt = lambda _to: "451 later" if away("email") else None


@pytest.mark.parametrize(("workflow", "case"), CASES)
async def test_scenario(world: World, workflow: str, case: dict[str, Any]) -> None:
    silence(world, case)
    check(case, await play(world, workflow, case))

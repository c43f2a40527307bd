"""Codes go first, then the orders take turns: nobody waits until the many messages of others are out."""

import asyncio
from typing import Any

from aiohttp import web

from tests.support.events import NOON, VENDOR, event
from tests.support.providers import Mailbox, Providers, Sent
from tests.support.world import World, settings_for

FLOOD = 30


def people(first: int, count: int = 1) -> dict[str, Any]:
    return {"customer": [{"phone": f"+9198123{n:05d}", "locale": "en"} for n in range(first, first + count)]}


async def test_a_code_passes_a_flood_that_fills_the_channel_and_a_small_order_passes_a_big_one(
    parts: dict[str, Any], providers: Providers, mailbox: Mailbox
) -> None:
    world = World(settings_for(providers, mailbox, **parts, concurrent_sends=4), providers, mailbox)
    await world.start()
    go = asyncio.Semaphore(0)

    async def hold(_sent: Sent) -> web.StreamResponse | None:
        await go.acquire()
        return None

    providers.behave = hold
    await world.accept(event("F-big", "vendor_en_route", recipients=people(0, FLOOD), assignee=VENDOR))
    await world.until(lambda: len(providers.of_seen("sms")) == 3, "the flood has all places but one")
    await asyncio.sleep(0.3)
    assert len(providers.of_seen("sms")) == 3
    world.clock.advance(seconds=1)
    at = world.clock.now() - NOON
    otp = {"otp": {"value": "481920", "expires": "2026-03-02T08:00:00Z"}}
    await world.accept(event("F-small", "vendor_en_route", at, recipients=people(100), assignee=VENDOR))
    await world.accept(event("F-code", "payment_initiated", at, recipients=people(200), secrets=otp))
    await world.until(lambda: "481920" in providers.seen[-1].text, "nothing had to be sent for it")
    for _ in range(FLOOD + 2):
        go.release()
    await world.settled()
    order = [s.to for s in providers.of_seen("sms")]
    assert order.index("+919812300100") < FLOOD // 2, "it did not wait until the flood was out"
    await world.close()

"""Several notices to one person within minutes leave as one message on each channel, whichever orders they are about."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.support.events import CUSTOMER, NOON, event
from tests.support.packs import copied
from tests.support.providers import Mailbox, Providers, Sent
from tests.support.world import World, settings_for

ORDERS = [f"B-{n}" for n in range(4)]


@cache
def bundling_packs() -> Path:
    packs = copied("device_pickup")
    file = packs / "device_pickup" / "workflow.yaml"
    plain = "order_created: {channels: [sms, whatsapp, push, email]}"
    assert plain in file.read_text()
    file.write_text(file.read_text().replace(plain, plain[:-1] + ", bundle: {within: 5m, by: person}}"))
    return packs


@pytest.fixture
async def bundling(parts: dict[str, Any], providers: Providers, mailbox: Mailbox) -> AsyncIterator[World]:
    world = World(settings_for(providers, mailbox, workflows=bundling_packs(), **parts), providers, mailbox)
    await world.start()
    yield world
    await world.close()


async def ordered(world: World) -> None:
    for n, name in enumerate(ORDERS):
        await world.take(event(name, "created", timedelta(seconds=n), recipients={"customer": CUSTOMER}))


async def states(world: World) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for name in ORDERS:
        for m in (await world.view(name))["messages"]:
            found.setdefault(m["channel"], Counter())[m["state"]] += 1
    return found


async def test_four_orders_in_a_moment_are_one_message_on_each_channel(bundling: World) -> None:
    await ordered(bundling)
    await bundling.quiet()
    assert bundling.providers.sent == []
    await bundling.travel_to(NOON + timedelta(minutes=6))
    assert await states(bundling) == {
        channel: Counter({"sent": 1, "bundled": 3}) for channel in ("sms", "whatsapp", "push", "email")
    }
    (text,) = bundling.providers.of("sms")
    assert all(name in text.text or text.text.count("http") == len(ORDERS) for name in ORDERS)
    (mail,) = bundling.mailbox.mails
    assert mail.part("html").count("<hr") == len(ORDERS) - 1


async def test_what_the_provider_turns_away_is_tried_again_together(bundling: World) -> None:
    turned_away: list[Sent] = []

    async def busy(sent: Sent) -> web.StreamResponse | None:
        if sent.channel != "sms" or turned_away:
            return None
        turned_away.append(sent)
        body = {"code": 20429, "message": "slow down", "status": 429}
        return web.json_response(body, status=429, headers={"Retry-After": "60"})

    bundling.providers.behave = busy
    await ordered(bundling)
    await bundling.travel_to(NOON + timedelta(minutes=20))
    assert (await states(bundling))["sms"] == Counter({"sent": 1, "bundled": 3})
    assert len(bundling.providers.of("sms")) == 1

"""Two accounts, and the first is refused, hangs, recovers and is refused again: nothing is lost, doubled or late."""

import asyncio
import json
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import func, select

from service.ledger.escalations.tables import escalation_stream
from service.ledger.messages.tables import messages
from tests.support.events import VENDOR, event
from tests.support.providers import ACCOUNT, Mailbox, Providers, Sent
from tests.support.world import World, settings_for

pytestmark = pytest.mark.any_database

BACKUP = "AC" + "1" * 32


class Moody:
    """The first account in its four moods."""

    def __init__(self, providers: Providers) -> None:
        self.mood = "refused"
        self._providers = providers
        providers.behave = self.behave

    async def behave(self, _sent: Sent) -> web.StreamResponse | None:
        if ACCOUNT not in self._providers.requests[-1].path or self.mood == "well":
            return None
        if self.mood == "refused":
            return web.json_response({"code": 20003, "message": "Authenticate", "status": 401}, status=401)
        await asyncio.sleep(30)
        return web.Response(status=500)


async def told(world: World, numbers: range) -> None:
    """One order a number; every fifth is told a code."""
    for n in numbers:
        customer = {"customer": {"phone": f"+9198{n:08d}", "locale": "en"}}
        if n % 5:
            await world.accept(event(f"T-{n}", "vendor_en_route", recipients=customer, assignee=VENDOR))
            continue
        expires = (world.clock.now() + timedelta(minutes=10)).isoformat()
        secrets = {"otp": {"value": f"{n:06d}", "expires": expires}}
        await world.accept(event(f"T-{n}", "payment_initiated", recipients=customer, secrets=secrets))


async def counted(world: World, channel: str = "sms") -> dict[str, int]:
    query = select(messages.c.state, func.count()).where(messages.c.channel == channel)
    async with world.ledger.reading() as tx:
        rows = await tx.execute(query.group_by(messages.c.state))
        return dict(rows.tuples().all())


async def announced(world: World) -> list[tuple[str, str]]:
    async with world.ledger.reading() as tx:
        query = (
            select(escalation_stream.c.kind, escalation_stream.c.body)
            .where(escalation_stream.c.reason == "provider_refused")
            .order_by(escalation_stream.c.seq)
        )
        rows = await tx.execute(query)
        return [(row.kind, json.loads(row.body)["data"]["escalation_id"]) for row in rows]


@pytest.mark.uninterrupted
@pytest.mark.parametrize("orders", [60, pytest.param(1000, marks=pytest.mark.long)])
async def test_a_moody_account_costs_nothing(
    parts: dict[str, Any], providers: Providers, mailbox: Mailbox, orders: int
) -> None:
    backup = {
        "twilio_backup_account_sid": BACKUP, "twilio_backup_auth_token": "other",
        "twilio_backup_sms_from": "+15005550008", "twilio_backup_base_url": providers.url,
    }  # fmt: skip
    settings = settings_for(providers, mailbox, provider_timeout=3.0, **backup, **parts)
    world = World(settings, providers, mailbox)
    first = Moody(providers)
    await world.start()
    try:
        quarter = orders // 4
        for phase, mood in enumerate(("refused", "hangs", "well", "refused")):
            first.mood = mood
            world.clock.advance(seconds=61)
            await told(world, range(phase * quarter, (phase + 1) * quarter))
            await world.settled()
        first.mood = "well"
        # Only a message can find out that it works again.
        for n in range(orders + 1, orders + 5):
            await world.move(seconds=61)
            await told(world, range(n, n + 1))
            await world.settled()

        async def all_out() -> bool:
            # Some orders are told of a delay too, by now.
            found = await counted(world)
            return set(found) == {"sent"} and found["sent"] >= orders + 4

        await world.until(all_out)
        await world.until(lambda: is_resolved(world))
        # What hung at the first account is in nobody's hands: no reader has a message twice.
        texts = Counter((s.to, s.text) for s in providers.of("sms"))
        assert len({to for to, _ in texts}) == orders + 4
        assert max(texts.values()) == 1
        told_of = await announced(world)
        assert len({incident for _, incident in told_of}) == 1
        assert Counter(kind for kind, _ in told_of)["opened"] == 1
        used = Counter(BACKUP in r.path for r in providers.requests)
        assert used[True] > 0
        assert used[False] > 0
    finally:
        await world.close()


async def is_resolved(world: World) -> bool:
    await world.pass_time(seconds=6)
    told_of = await announced(world)
    return bool(told_of) and told_of[-1][0] == "resolved"

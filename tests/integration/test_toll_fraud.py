"""Toll fraud: countries that are not served, and caps a day for a number, a number range and the channel."""

import asyncio
import json
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import select, update

from service.ledger.escalations.tables import escalation_stream
from service.ledger.messages.tables import messages, send_counts
from service.telemetry import metrics
from tests.support.client import Client
from tests.support.events import NOON, VENDOR, event
from tests.support.providers import Mailbox, Providers, Sent
from tests.support.world import World, settings_for

pytestmark = pytest.mark.any_database


async def sent_to(
    numbers: list[str], parts: dict[str, Any], providers: Providers, mailbox: Mailbox, **limits: Any
) -> tuple[Counter[str], World]:
    """One SMS for each number, an order each; how many reached the provider, by number."""
    world = World(settings_for(providers, mailbox, **parts, **limits), providers, mailbox)
    await world.start()
    for n, number in enumerate(numbers):
        customer = {"phone": number, "locale": "en"}
        await world.accept(event(f"G-{n}", "vendor_en_route", recipients={"customer": customer}, assignee=VENDOR))
        await world.settled()
    return Counter(s.to for s in providers.of("sms")), world


async def states(world: World, order_id: str) -> list[tuple[str, str]]:
    found = (await world.view(order_id))["messages"]
    return [(m["state"], m["error"]) for m in found if m["channel"] == "sms" and m["address"]]


async def test_numbers_of_other_countries_are_refused(
    parts: dict[str, Any], providers: Providers, mailbox: Mailbox
) -> None:
    numbers = ["+919812345678", "+447400123456", "+8823456789012"]
    sent, world = await sent_to(numbers, parts, providers, mailbox, allowed_countries="IN,GB")
    assert sent == {"+919812345678": 1, "+447400123456": 1}
    ((state, why),) = await states(world, "G-2")
    assert state == "failed"
    assert "ALLOWED_COUNTRIES" in why
    await world.close()


@pytest.mark.parametrize(
    ("limits", "numbers", "let_through"),
    [
        ({"max_per_number_per_day": 2}, ["+919812345678"] * 3 + ["+919899999999"], {"+919812345678": 2, "+919899999999": 1}),
        ({"max_per_prefix_per_day": 2}, ["+919812345678", "+919812345679", "+919812345670", "+447400123456"],
         {"+919812345678": 1, "+919812345679": 1, "+447400123456": 1}),
        ({"max_sms_per_day": 1}, ["+919812345678", "+447400123456"], {"+919812345678": 1}),
    ],
)  # fmt: skip
async def test_caps_hold_for_a_day(
    parts: dict[str, Any],
    providers: Providers,
    mailbox: Mailbox,
    limits: dict[str, int],
    numbers: list[str],
    let_through: dict[str, int],
) -> None:
    sent, world = await sent_to(numbers, parts, providers, mailbox, **limits)
    assert sent == let_through
    outcomes = [s for n in range(len(numbers)) for s in await states(world, f"G-{n}")]
    over = [why for state, why in outcomes if state == "suppressed"]
    assert len(over) == len(numbers) - sum(let_through.values())
    assert all(why.startswith("over the cap of") for why in over)
    world.clock.advance(hours=24)
    customer = {"phone": numbers[0], "locale": "en"}
    await world.accept(
        event("G-next", "vendor_en_route", world.clock.now(), recipients={"customer": customer}, assignee=VENDOR)
    )
    await world.settled()
    assert (await states(world, "G-next"))[0][0] == "sent", "another day"
    await world.close()


def busy(times: int) -> Any:
    """The provider is too busy, so many times."""
    left = [times]

    async def answer(_sent: Sent) -> web.Response | None:
        if not left[0]:
            return None
        left[0] -= 1
        return web.json_response({"code": 20429, "message": "busy", "status": 429}, status=429)

    return answer


async def counts(world: World) -> tuple[int, int]:
    """Places taken today under all caps, and those whose send is not settled."""
    async with world.ledger.reading() as tx:
        rows = (await tx.execute(select(send_counts).where(send_counts.c.n > 0))).all()
    return max((r.n for r in rows), default=0), max((r.unsettled for r in rows), default=0)


async def customer_of(world: World, order_id: str, status: str = "vendor_en_route", **more: Any) -> None:
    people = {"customer": {"phone": "+919812345678", "locale": "en"}}
    await world.accept(event(order_id, status, world.clock.now() - NOON, recipients=people, assignee=VENDOR, **more))


async def test_what_the_provider_turned_away_takes_no_place(
    parts: dict[str, Any], providers: Providers, mailbox: Mailbox
) -> None:
    world = World(settings_for(providers, mailbox, **parts, max_per_number_per_day=3), providers, mailbox)
    await world.start()
    providers.behave = busy(12)
    for n in range(3):
        await customer_of(world, f"B-{n}")
    await world.travel_to(world.clock.now() + timedelta(minutes=20))
    assert [s for n in range(3) for s, _ in await states(world, f"B-{n}")] == ["sent"] * 3
    assert await counts(world) == (3, 0)
    await customer_of(world, "B-4")
    await world.settled()
    assert (await states(world, "B-4"))[0][0] == "suppressed", "three were accepted"
    await world.close()


async def test_a_message_waits_for_places_that_may_come_free(
    parts: dict[str, Any], providers: Providers, mailbox: Mailbox
) -> None:
    world = World(settings_for(providers, mailbox, **parts, max_per_number_per_day=1), providers, mailbox)
    await world.start()
    asked, go = asyncio.Event(), asyncio.Event()

    async def slow(_sent: Sent) -> web.Response:
        asked.set()
        await go.wait()
        return web.json_response({"code": 21211, "message": "no such number", "status": 400}, status=400)

    providers.behave = slow
    await customer_of(world, "W-0")
    await asyncio.wait_for(asked.wait(), 60)
    await customer_of(world, "W-1")
    await asyncio.sleep(0.3)
    assert (await states(world, "W-1"))[0][0] == "pending"
    providers.behave = None
    go.set()
    await world.until(lambda: settled_as(world, "W-0", "failed"))
    await world.move(seconds=2)
    assert (await states(world, "W-1"))[0][0] == "sent"
    await world.close()


async def settled_as(world: World, order_id: str, state: str) -> bool:
    return (await states(world, order_id))[0][0] == state


async def test_what_a_dead_process_left_counts_until_its_provider_is_sure(
    parts: dict[str, Any], providers: Providers, mailbox: Mailbox
) -> None:
    world = World(settings_for(providers, mailbox, **parts, max_per_number_per_day=3), providers, mailbox)
    await world.start()

    async def never(_sent: Sent) -> web.StreamResponse | None:
        return web.json_response({"code": 20500, "message": "broke", "status": 500}, status=500)

    providers.behave = never
    await customer_of(world, "U-0")
    await world.until(lambda: settled_as(world, "U-0", "unknown"))
    assert await counts(world) == (1, 0), "it may have arrived"
    providers.behave = None
    async with world.ledger.transaction() as tx:
        # As a process leaves it that died before it could say which provider it asked.
        await tx.execute(update(messages).values(provider=""))
    # The next day: the place goes back to the day on which it was taken.
    await world.move(hours=20)
    await world.until(lambda: settled_as(world, "U-0", "sent"))
    async with world.ledger.reading() as tx:
        rows = (await tx.execute(select(send_counts).order_by(send_counts.c.day))).all()
    assert [(r.n, r.unsettled) for r in rows] == [(0, 0), (1, 0)]
    await world.close()


async def test_codes_keep_their_share_and_somebody_is_warned_in_time(
    parts: dict[str, Any], providers: Providers, mailbox: Mailbox
) -> None:
    world = World(settings_for(providers, mailbox, **parts, max_sms_per_day=5), providers, mailbox)
    await world.start()
    before = metrics.caps_near.labels("sms", "all")._value.get()
    for n in range(5):
        await customer_of(world, f"C-{n}")
    await world.settled()
    await world.move(seconds=2)
    found = [await states(world, f"C-{n}") for n in range(5)]
    assert sorted(s for ((s, _),) in found) == ["sent"] * 4 + ["suppressed"]
    assert metrics.caps_near.labels("sms", "all")._value.get() == before + 1
    otp = {"otp": {"value": "481920", "expires": (world.clock.now() + timedelta(minutes=9)).isoformat()}}
    await customer_of(world, "C-code", "payment_initiated", secrets=otp)
    await world.settled()
    codes = [m for m in (await world.view("C-code"))["messages"] if m["channel"] == "sms" and m["address"]]
    assert [m["state"] for m in codes].count("sent") == 1
    await world.close()


async def test_a_cap_near_its_end_is_an_incident_once_a_day_whoever_came_near_it(
    parts: dict[str, Any], providers: Providers, mailbox: Mailbox
) -> None:
    _, world = await sent_to([f"+9198123456{n:02d}" for n in range(4)], parts, providers, mailbox, max_sms_per_day=5)

    async def told() -> list[str]:
        query = select(escalation_stream.c.team, escalation_stream.c.kind, escalation_stream.c.body).where(
            escalation_stream.c.reason == "cap_near"
        )
        async with world.ledger.reading() as tx:
            rows = (await tx.execute(query.order_by(escalation_stream.c.seq))).all()
        assert {row.team for row in rows} <= {"tech"}
        assert all("MAX_SMS_PER_DAY" in json.loads(row.body)["data"]["detail"] for row in rows)
        return [row.kind for row in rows]

    async def is_told() -> bool:
        await world.move(seconds=5)
        return await told() == ["opened"]

    await world.until(is_told, "Tech is warned before the cap bites")
    for _ in range(3):
        await world.app.health.write()
    assert await told() == ["opened"]
    client = Client(world, "")
    assert (await client.get("/readyz"))[1]["status"] == "ok", "nothing limps yet"
    await client.close()
    world.clock.advance(seconds=24 * 3600)
    await world.app.health.write()
    assert await told() == ["opened", "resolved"]
    await world.close()

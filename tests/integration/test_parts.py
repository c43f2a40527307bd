"""Orders with parts on real parts: parts that come first wait, two that end at once lose nothing, one page for all."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from service.domain.scopes import EVERYTHING
from service.foresight.replaying import replay_recorded
from service.intake.dead_letters import DeadLetters
from service.intake.decoding import Incoming
from service.intake.intake import Intake
from service.intake.waiting import WaitingEvents
from service.keyring import Keyring
from service.ledger.database.engine import Ledger
from service.ledger.database.wakeups import Wakeups
from service.ledger.messages.tables import outbox
from service.ledger.orders.locking import find
from service.ledger.orders.past import past_of
from service.ledger.orders.tables import waiting_events
from service.ledger.people.erasing import old_orders
from service.orders import Orders
from service.timekeeping import ManualTime
from service.workflows.packs import Packs
from tests.integration.conftest import Caller
from tests.integration.test_sessions import signed_in
from tests.support.client import key_for
from tests.support.events import CUSTOMER, NOON, encoded, event, minutes, part_of, person
from tests.support.packs import all_packs
from tests.support.world import World

TO_ASHA = {"customer": CUSTOMER}


class Small:
    """Intake alone, on a ledger of its own."""

    def __init__(self, ledger: Ledger) -> None:
        self.clock = ManualTime(NOON)
        self.ledger = ledger
        self.orders = Orders(ledger, Packs([all_packs().get("parcel")]), self.clock, Wakeups())
        self.intake = Intake(self.orders)
        self.waiting = WaitingEvents(self.orders, self.intake)

    async def take(self, *events: dict[str, Any]) -> list[str]:
        """What becomes of each."""
        return [v.outcome for v in await self.intake.take([Incoming(encoded(e)) for e in events], dead_letter=True)]

    async def status(self, order_id: str) -> str | None:
        """Where an order stands; None: it is not known."""
        async with self.ledger.reading() as tx:
            order = await find(tx, "parcel", order_id, scope=EVERYTHING)
        return order.status if order else None

    async def waits(self) -> int:
        """How many events do."""
        async with self.ledger.reading() as tx:
            return int((await tx.execute(select(func.count()).select_from(waiting_events))).scalar_one())


@pytest.fixture
async def small(url: str) -> AsyncIterator[Small]:
    """On both databases."""
    ledger = Ledger(url, Keyring("a secret key for tests, as long as they are"))
    yield Small(ledger)
    await ledger.close()


def parcel(order_id: str, status: str = "announced", at: float = 0, **data: Any) -> dict[str, Any]:
    return event(order_id, status, minutes(at), workflow="parcel", **data)


@pytest.mark.any_database
async def test_what_comes_before_its_whole_waits_and_is_decided_in_its_order(small: Small) -> None:
    first = part_of("W", "P1", recipients=TO_ASHA)
    assert await small.take(first, parcel("P1", "out_for_delivery", 2)) == ["waiting", "waiting"]
    assert await small.take(first) == ["duplicate"]
    assert await small.take(parcel("P1", "delivered", 3), parcel("Q", "announced")) == ["waiting", "accepted"]
    assert (await small.status("P1"), await small.waits()) == (None, 3)
    small.clock.advance(minutes=10)
    assert await small.waiting.retry_due() == 1
    assert await small.waits() == 3, "it has not come"
    assert await small.waiting.retry_due() == 0, "and is not looked for again at once"
    assert await small.take(parcel("W", attributes={"parcels": 1})) == ["accepted"]
    assert await small.waiting.retry_due() == 1
    assert (await small.status("P1"), await small.status("W"), await small.waits()) == ("delivered", "delivered", 0)
    assert await small.take(first, parcel("P1", "in_transit", 2)) == ["duplicate", "late"]


@pytest.mark.any_database
async def test_a_whole_of_the_same_batch_ends_the_waiting(small: Small) -> None:
    assert await small.take(part_of("W", "P1"), parcel("W")) == ["waiting", "accepted"]
    assert await small.waiting.retry_due() == 1
    assert (await small.status("P1"), await small.status("W")) == ("in_transit", "in_transit")


@pytest.mark.any_database
async def test_after_an_hour_all_of_the_part_are_dead_letters_and_can_be_replayed(small: Small) -> None:
    await small.take(part_of("W", "P1"))
    small.clock.advance(minutes=30)
    await small.take(parcel("P1", "delivered", 30))
    small.clock.advance(minutes=29)
    await small.waiting.retry_due()
    assert await small.waits() == 2
    small.clock.advance(minutes=2)
    await small.waiting.retry_due()
    assert (await small.waits(), await small.status("P1")) == (0, None)
    async with small.ledger.reading() as tx:
        letters = (
            (await tx.execute(select(outbox.c.headers).where(outbox.c.exchange == "stagebell.dead"))).scalars().all()
        )
    assert len(letters) == 2
    assert all("no parcel order W came within an hour" in said for said in letters)
    await small.take(parcel("W", at=61))
    assert await small.take(part_of("W", "P2")) == ["accepted"]


@pytest.mark.any_database
@pytest.mark.parametrize(
    ("said", "why"),
    [
        (part_of("X", "X"), "cannot be a part of itself"),
        (part_of("W", "P1", parent={"workflow": "nowhere", "order_id": "W"}), "unknown workflow 'nowhere'"),
        (part_of("P0", "P1"), "order P0 is a part itself"),
        (part_of("W", "P1", parent={"workflow": "parcel", "order_id": " "}), "data.parent.order_id: is blank"),
    ],
)
async def test_what_can_be_no_part_is_refused_at_once(small: Small, said: dict[str, Any], why: str) -> None:
    await small.take(parcel("W"), part_of("W", "P0"))
    (verdict,) = await small.intake.take([Incoming(encoded(said))], dead_letter=False)
    assert verdict.outcome == "rejected"
    assert why in verdict.reason


async def test_parts_that_end_at_once_lose_nothing(small: Small) -> None:
    """On PostgreSQL they really run side by side."""
    parts = [f"P{n}" for n in range(6)]
    await small.take(parcel("W", attributes={"parcels": len(parts)}), *(part_of("W", p) for p in parts))
    for at, status in ((3, "out_for_delivery"), (4, "delivered")):
        told = await asyncio.gather(*(small.take(parcel(p, status, at)) for p in [*parts, parts[0]]))
        assert told == [["accepted"]] * (len(parts) + 1)
    async with small.ledger.reading() as tx:
        order = await find(tx, "parcel", "W", scope=EVERYTHING)
    assert order is not None
    assert order.status == "delivered"
    assert [p.status for p in order.parts] == ["delivered"] * len(parts)


async def test_two_who_look_decide_what_waited_once(small: Small) -> None:
    await small.take(*(part_of(f"W{n}", f"P{n}", recipients=TO_ASHA) for n in range(3)))
    await small.take(*(parcel(f"W{n}") for n in range(3)))
    await asyncio.gather(small.waiting.retry_due(), Small(small.ledger).waiting.retry_due())
    async with small.ledger.reading() as tx:
        wholes = [await find(tx, "parcel", f"W{n}", scope=EVERYTHING) for n in range(3)]
    assert [w.entered for w in wholes if w] == [{"announced": 1, "in_transit": 1}] * 3
    assert await small.waits() == 0


async def test_whole_and_parts_are_played_again_as_they_were(small: Small) -> None:
    people: dict[str, Any] = {"recipients": TO_ASHA}
    await small.take(part_of("W", "P1", **people), parcel("W", attributes={"parcels": 2}, **people))
    await small.waiting.retry_due()
    await small.take(part_of("W", "P2", **people), parcel("P1", "delivered", 2), parcel("P2", "delivered", 3))
    workflow = all_packs().get("parcel").workflow
    async with small.ledger.reading() as tx:
        stored = [await find(tx, "parcel", name, scope=EVERYTHING) for name in ("W", "P1", "P2")]
        pasts = {p.reference: p for p in await past_of(tx, [o.id for o in stored if o])}
    for order in stored:
        assert order is not None
        assert pasts[order.reference].left_out == ""
        assert replay_recorded(pasts[order.reference], lambda _version: workflow).order == order


@pytest.mark.any_database
async def test_people_of_a_part_stay_until_its_whole_has_ended_too(small: Small) -> None:
    people: dict[str, Any] = {"recipients": TO_ASHA}
    await small.take(parcel("W", attributes={"parcels": 2}, **people), part_of("W", "P1", "delivered", **people))

    async def old() -> set[str]:
        async with small.ledger.reading() as tx:
            return {ref.reference for ref in await old_orders(tx, NOON + timedelta(days=1), 10)}

    assert await old() == set()
    await small.take(part_of("W", "P2", "delivered", **people))
    assert await old() == {"W", "P1", "P2"}


@pytest.mark.any_database
async def test_a_part_and_its_whole_are_shown_together(world: World, caller: Caller) -> None:
    await world.accept(
        parcel("W-1", recipients=TO_ASHA, attributes={"parcels": 2}),
        part_of("W-1", "W-1-A", recipients=TO_ASHA, eta="2026-03-02T12:00:00Z"),
        part_of("W-1", "X-9", "delivered", recipients={"customer": person(4)}),
    )
    publisher, agent = await caller("publisher"), await caller("agent")
    body = part_of("W-none", "W-none-1")
    status, answer = await publisher.call("POST", "/v1/events", body)
    assert (status, answer["results"][0]["outcome"]) == (200, "accepted")
    assert [w["field"] for w in answer["results"][0]["warnings"]] == ["data.parent.order_id"]
    _, shown = await agent.call("GET", "/v1/orders/parcel/W-1")
    assert (shown["status"], shown["parent"]) == ("partly_delivered", None)
    assert [(p["order_id"], p["stage_title"], p["final"]) for p in shown["parts"]] == [
        ("W-1-A", "On its way", False),
        ("X-9", "Delivered", True),
    ]
    _, part = await agent.call("GET", "/v1/orders/parcel/X-9")
    assert part["parent"] == {"workflow": "parcel", "order_id": "W-1"}
    _, found = await agent.call("GET", "/v1/orders?q=W-1")
    assert {o["order_id"] for o in found["orders"]} == {"W-1", "W-1-A", "X-9"}
    token = (await agent.call("GET", "/v1/orders/parcel/W-1-A/link"))[1]["url"].rpartition("/")[2]
    _, page = await agent.call("GET", f"/t/{token}.json")
    assert (page["order_id"], [p["order_id"] for p in page["parts"]]) == ("W-1", ["W-1-A", "X-9"])
    _, page = await agent.call("GET", f"/t/{token}")
    assert "Parts of your order" in page
    desk_page = {"headers": {"Cookie": await signed_in(world, await key_for(world, "agent"))}}
    for order_id, shows in (
        ("W-1", ["X-9", "W-1-A", "Part X-9: Delivered"]),
        ("X-9", ["Part of", "/desk/orders/parcel/W-1"]),
    ):
        _, desk = await agent.call("GET", f"/desk/orders/parcel/{order_id}", **desk_page)
        assert [text for text in shows if text not in desk] == []
    other = (await agent.call("GET", "/v1/orders/parcel/X-9/link"))[1]["url"].rpartition("/")[2]
    _, alone = await agent.call("GET", f"/t/{other}.json")
    assert (alone["order_id"], alone["parts"]) == ("X-9", []), "who hears nothing of the whole does not get its link"


async def test_the_loop_itself_looks_when_the_whole_comes(world: World) -> None:
    (verdict,) = await world.take(part_of("L-1", "L-1-A", recipients=TO_ASHA))
    assert verdict.outcome == "waiting"
    await world.accept(parcel("L-1", recipients=TO_ASHA))

    async def is_there() -> bool:
        async with world.ledger.reading() as tx:
            return await find(tx, "parcel", "L-1-A", scope=EVERYTHING) is not None

    await world.until(is_there, "the part was decided")
    letters = await DeadLetters(world.app.broker, world.ledger.keyring).inspect(10)
    assert letters == []
    assert timedelta(0) == world.clock.now() - NOON

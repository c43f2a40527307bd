"""The straight way: begun by the event's own transaction, sent after its commit, once, in order, to those who want it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import event as happening
from sqlalchemy import select
from yarl import URL

from service.dispatch.places import FIRST_AT_ONCE
from service.intake.decoding import Incoming
from service.ledger.database.faults import DatabaseError
from service.ledger.messages.suppressions import suppress
from service.ledger.messages.tables import MESSAGE_WORDS, messages
from service.ledger.orders.records import unseal_json
from tests.support.events import CUSTOMER, encoded, event, person
from tests.support.nodes import Postgres, connect
from tests.support.providers import Mailbox, Providers, Sent
from tests.support.proxy import Proxy
from tests.support.world import World, settings_for

CODE = {"otp": {"value": "481920", "expires": "2026-03-02T06:39:00Z"}}
pytestmark = pytest.mark.uninterrupted


async def looked(world: World) -> None:
    """Wait until every channel's loops have looked once and found nothing."""
    workers = world.app._straight._workers.values()
    await world.until(lambda: all(line.is_clear and not line.wake.is_set() for w in workers for line in w.places.lines))


async def sent_straight(world: World) -> list[tuple[str, str, bool]]:
    """Of each message that was to be sent: channel, state, and whether it was begun without a claim (by its fence)."""
    query = select(messages.c.channel, messages.c.state, messages.c.fencing_token).order_by(messages.c.id)
    query = query.where((messages.c.state != "suppressed") | (messages.c.fencing_token > 0))
    async with world.ledger.reading() as tx:
        return [(row.channel, row.state, row.fencing_token > 1000) for row in await tx.execute(query)]


async def test_what_an_event_plans_goes_out_without_being_claimed(world: World) -> None:
    await looked(world)
    await world.accept(event("S-1", "vendor_en_route", recipients={"customer": CUSTOMER}))
    await world.settled()
    found = await sent_straight(world)
    assert {channel for channel, _, _ in found} == {"sms", "whatsapp", "push"}
    assert all(state == "sent" and straight for _, state, straight in found)
    told = (await world.view("S-1"))["messages"][0]["history"]
    assert [h["state"] for h in told] == ["pending", "sending", "sent"]
    assert len(world.providers.seen) == len(found)


async def test_a_code_is_never_stored_in_what_was_said(world: World) -> None:
    await looked(world)
    await world.accept(event("S-1", "payment_initiated", recipients={"customer": person(1)}, secrets=CODE))
    await world.settled()
    assert all(straight for _, _, straight in await sent_straight(world))
    assert any("481920" in s.text for s in world.providers.of("sms"))
    async with world.ledger.reading() as tx:
        for row in await tx.execute(select(messages)):
            said = unseal_json(tx.keyring, row.sealed_message, MESSAGE_WORDS.of(row.id))
            assert "481920" not in str(said)


async def test_nobody_overtakes_in_a_lane(world: World) -> None:
    """While a message is on its way the next of its lane waits, within one batch and across events."""
    let_go = asyncio.Event()

    async def slow(_sent: Sent) -> web.StreamResponse | None:
        await let_go.wait()
        return None

    world.providers.behave = slow
    await looked(world)
    only = {"customer": {"phone": "+919812345678", "locale": "en"}}
    await world.take(event("S-1", "vendor_en_route", recipients=only), event("S-1", "at_location"))
    await looked(world)  # so that nothing but the lane keeps the next one
    await world.accept(event("S-1", "inspection_completed", price={"amount": "1", "currency": "INR"}))
    assert [(state, straight) for _, state, straight in await sent_straight(world)] == [
        ("sending", True), ("pending", False), ("pending", False),
    ]  # fmt: skip
    assert len(world.providers.seen) <= 1
    let_go.set()
    await world.settled()
    assert ["way" in s.text for s in world.providers.of("sms")] == [True, False, False]


async def test_there_is_room_until_as_much_is_on_its_way_as_may_be(world: World) -> None:
    """What comes beyond it waits a moment in the broker in place of being claimed."""
    let_go = asyncio.Event()

    async def slow(_sent: Sent) -> web.StreamResponse | None:
        await let_go.wait()
        return None

    await looked(world)
    straight = world.app._straight
    assert straight.room(100) == 100, "nothing is on its way"
    world.providers.behave = slow
    for n in range(FIRST_AT_ONCE):
        to = {"customer": {"phone": f"+91981234567{n}", "locale": "en"}}
        await world.accept(event(f"S-{n}", "vendor_en_route", recipients=to))
    assert straight.room(100) == 0
    straight.freed.clear()
    let_go.set()
    await asyncio.wait_for(straight.freed.wait(), 60)
    await world.settled()
    assert all(begun for _, _, begun in await sent_straight(world))


async def test_whoever_cancels_the_loops_waits_for_no_place_that_stays_held(world: World) -> None:
    """As when the database stays away, and nobody knows whether what was begun is committed."""
    hangs = asyncio.Event()

    async def hang(_sent: Sent) -> web.StreamResponse | None:
        await hangs.wait()
        return None

    world.providers.behave = hang
    await looked(world)
    await world.accept(event("S-1", "vendor_en_route", recipients={"customer": CUSTOMER}))
    await world.until(lambda: len(world.providers.seen) == 3, "all are on their way")
    worker = world.app._straight._workers["sms"]
    worker.places.hold(worker.places.line(codes=False))
    loops = [asyncio.create_task(worker.run(asyncio.Event()))]
    await asyncio.sleep(0)
    for task in loops:
        task.cancel()
    async with asyncio.timeout(60):
        assert isinstance((await asyncio.gather(*loops, return_exceptions=True))[0], asyncio.CancelledError)
    assert not worker.hold(codes=False)
    worker.let_go(codes=False)
    await world.until(lambda: is_unknown(world), "what came of it is written down")
    hangs.set()


async def is_unknown(world: World) -> bool:
    return ("sms", "unknown", True) in await sent_straight(world)


async def test_who_opted_out_hears_nothing(world: World) -> None:
    async with world.ledger.transaction() as tx:
        await suppress(tx, "sms", "+919812345678", [], world.clock.now(), "asked us to stop")
    await looked(world)
    await world.accept(event("S-1", "vendor_en_route", recipients={"customer": CUSTOMER}))
    await world.settled()
    assert {(channel, state) for channel, state, _ in await sent_straight(world)} == {
        ("sms", "suppressed"), ("whatsapp", "sent"), ("push", "sent"),
    }  # fmt: skip
    assert world.providers.of("sms") == []


@pytest.mark.parametrize("bound", [{"max_per_number_per_day": 5}, {"sends_per_second": 100.0}])
async def test_where_something_is_counted_messages_are_claimed(
    parts: dict[str, Any], providers: Providers, mailbox: Mailbox, bound: dict[str, Any]
) -> None:
    world = World(settings_for(providers, mailbox, **parts, **bound), providers, mailbox)
    await world.start()
    try:
        await looked(world)
        await world.accept(event("S-1", "vendor_en_route", recipients={"customer": {"phone": "+919812345678"}}))
        await world.settled()
        assert await sent_straight(world) == [("sms", "sent", False)]
        assert world.app._straight._workers["sms"].room(1) is None, "it is of no use to wait"
    finally:
        await world.close()


async def test_no_more_at_once_than_a_process_has_grown_to(world: World) -> None:
    """A new process begins with four sends a channel, whichever way they come."""
    hangs = asyncio.Event()

    async def hang(_sent: Sent) -> web.StreamResponse | None:
        await hangs.wait()
        return None

    world.providers.behave = hang
    await looked(world)
    numbers = [{"phone": f"+9198123456{n:02d}", "locale": "en"} for n in range(20)]
    await world.accept(
        *(event(f"S-{n}", "vendor_en_route", recipients={"customer": one}) for n, one in enumerate(numbers))
    )
    found = await sent_straight(world)
    assert len([1 for _, state, _ in found if state == "sending"]) == 4
    hangs.set()
    await world.settled()
    assert len(world.providers.of("sms")) == 20


@pytest.fixture
async def behind(postgres: Postgres, postgres_url: str, providers: Providers, mailbox: Mailbox) -> AsyncIterator[World]:
    """A service on PostgreSQL behind a network that can forget answers."""
    network = Proxy("127.0.0.1", postgres.port)
    await network.start()
    there = str(URL(postgres_url).with_port(network.port))
    world = World(settings_for(providers, mailbox, database_url=there, broker_url="memory://"), providers, mailbox)
    world.network = network  # type: ignore[attr-defined]
    await world.start()
    yield world
    await world.close()
    await network.close()


async def test_a_commit_whose_answer_is_lost_is_known_by_its_fence(behind: World) -> None:
    """It was committed: its messages are sent once, and the event that comes again is a repeat."""
    world, network = behind, behind.network  # type: ignore[attr-defined]
    await looked(world)
    said = Incoming(encoded(event("S-1", "vendor_en_route", recipients={"customer": CUSTOMER})))
    network.forgets_commits = 1.0
    with pytest.raises(DatabaseError):
        await world.app.intake.take([said], dead_letter=True)
    network.forgets_commits = 0.0
    (again,) = await world.app.intake.take([said], dead_letter=True)
    assert again.outcome == "duplicate"
    await world.settled()
    found = await sent_straight(world)
    assert all(state == "sent" and straight for _, state, straight in found)
    assert len(world.providers.seen) == len(found) == 3


async def test_a_commit_that_failed_sends_nothing(behind: World, postgres_url: str) -> None:
    """The same messages, by their ids, are begun again by the next try: they are sent by that one alone."""
    world = behind
    await world.accept(event("S-1", "created"))
    await world.settled()
    await looked(world)
    admin = await connect(postgres_url)
    await admin.execute(
        "CREATE SEQUENCE tries; CREATE FUNCTION breaks() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN IF nextval('tries') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; RETURN NEW; END $$;"
        "CREATE CONSTRAINT TRIGGER breaks AFTER INSERT ON messages DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION breaks()"
    )
    tried: list[str] = []

    @happening.listens_for(world.ledger.engine.sync_engine, "rollback")
    def keep(_connection: Any) -> None:
        tried.append("rolled back")

    await world.accept(event("S-1", "vendor_en_route", recipients={"customer": CUSTOMER}))
    await admin.close()
    await world.settled()
    assert tried
    assert len(world.providers.seen) == 3
    assert all(state == "sent" for _, state, _ in await sent_straight(world))

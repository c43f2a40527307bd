"""The past, played again: under the pack that ran it is exactly what the ledger holds; under another, what that changes."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError

from service.domain.order import Order, OrderRef
from service.erasing import erase_order
from service.foresight.backtesting import BackTest, BackTester
from service.foresight.replaying import RecordedLife, replay_recorded
from service.foresight.would_be import ChangedLife
from service.keyring import Keyring
from service.ledger.database.engine import Ledger
from service.ledger.database.schema import look_at, migrate
from service.ledger.escalations.tables import escalations
from service.ledger.messages.tables import messages
from service.ledger.orders.past import orders_since, past_of
from service.ledger.orders.records import message_of, order_of
from service.ledger.orders.tables import causes, clocks, inbox, orders
from service.prices import Prices
from service.workflows.packs import Pack, Packs
from tests.support.examples import LONG
from tests.support.mixed_lives import MixedLives
from tests.support.packs import errand

KEY = "a secret key for tests, as long as they are"
ROUNDS = 10
# Orders of a life each; twice as many in the long form, and ten thousand.
SOME = 120 if LONG else 60
# What this machine loses in a power cut was only a test.
OPTIONS: Any = {"sqlite_synchronous": "NORMAL"}


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.long)])
def url(request: pytest.FixtureRequest) -> str:
    """A migrated database of each kind."""
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


@pytest.fixture
async def ledger(url: str) -> AsyncIterator[Ledger]:
    """The database, and nothing else of the service."""
    ledger = Ledger(url, Keyring(KEY), **OPTIONS)
    await migrate(ledger)
    yield ledger
    await ledger.close()


LADDER = "[{channels: [push, sms]}, {channels: [whatsapp], after: 5m, unless: delivered}, {channels: [email], after: 30m, unless: read}]"


def climbing() -> Pack:
    """The pack with two of its notices on ladders."""
    asked, going = "asked: {channels: [sms, email]}", "going: {channels: [sms],"
    return errand(
        ("fallback: {sms: email}", "fallback: {}"),
        (asked, asked.replace("[sms, email]", LADDER)),
        (going, going.replace("[sms]", LADDER)),
    )


async def lived(ledger: Ledger, count: int, pack: Pack | None = None) -> MixedLives:
    lives = MixedLives(ledger, pack or errand(), count)
    await lives.live(ROUNDS)
    return lives


async def back_tested(lives: MixedLives, pack: Pack) -> BackTest:
    tester = BackTester(Packs([errand()]), {"errand": pack}, Prices(), "Stagebell")
    return await tester.run(lives.orders.ledger, lives.since, lives.clock.now())


async def in_ledger(ledger: Ledger) -> dict[UUID, dict[str, Any]]:
    """What the ledger holds, by order."""
    async with ledger.reading() as tx:
        rows = await tx.execute(select(orders.c.id, orders.c.sealed_state))
        held: dict[UUID, dict[str, Any]] = {
            row.id: {"order": order_of(tx.keyring, row), "messages": {}, "clocks": {}, "calls": {}} for row in rows
        }
        for row in await tx.execute(select(messages)):
            n = message_of(tx.keyring, row)
            told = (n.notice, n.channel, n.audience, n.address, n.locale, n.state, n.error)
            held[n.order_id]["messages"][n.id] = told
        for c in await tx.execute(select(clocks)):
            held[c.order_id]["clocks"][c.id] = (c.name, c.state, c.due_at, c.started_at, c.stopped_at)
        for e in await tx.execute(select(escalations)):
            held[e.order_id]["calls"][e.id] = (e.team, e.reason, e.state, e.opened_at, e.level, e.causes)
    return held


def in_life(life: RecordedLife | ChangedLife) -> dict[str, Any]:
    """The same of a life that was played."""
    calls = {c.escalation.id: c.escalation for c in life.calls}
    return {
        # What the ledger keeps is what comes back.
        "order": msgspec.json.decode(msgspec.json.encode(life.order), type=Order),
        "messages": {
            n.id: (n.notice, n.channel, n.audience, n.address, n.locale, n.state, n.error)
            for n in life.messages.values()
        },
        "clocks": {c.id: (c.spec, c.state, c.due, c.started, c.stopped) for c in life.clocks.values()},
        "calls": {e.id: (e.team, e.reason, e.state, e.opened, e.level, e.causes) for e in calls.values()},
    }


def other(played: dict[str, Any], held: dict[str, Any]) -> dict[str, Any]:
    """What is not the same, field by field."""
    order = {f: (getattr(played["order"], f), getattr(held["order"], f)) for f in Order.__struct_fields__}
    parts = {
        f"{part} {k}": (played[part].get(k), held[part].get(k))
        for part in ("messages", "clocks", "calls")
        for k in played[part].keys() | held[part].keys()
    }
    return {name: (a, b) for name, (a, b) in {**order, **parts}.items() if a != b}


async def assert_same(lives: MixedLives, count: int) -> None:
    """Each order, played as it was and again under the same pack, is what the ledger holds."""
    ledger, workflow = lives.orders.ledger, lives.workflow
    async with ledger.reading() as tx:
        ids = await orders_since(tx, lives.since, ["errand"])
        pasts = [p for first in range(0, len(ids), 100) for p in await past_of(tx, ids[first : first + 100])]
    assert len(pasts) == count
    broken = called = 0
    ledger_holds = await in_ledger(ledger)
    for past in pasts:
        held = ledger_holds[past.id]
        was = replay_recorded(past, lambda _version: workflow)
        assert other(in_life(was), held) == {}, past.reference
        would = ChangedLife(workflow, was)
        would.play(lives.clock.now())
        assert other(in_life(would), held) == {}, past.reference
        broken += len(was.breached)
        called += len(held["calls"])
    async with ledger.reading() as tx:
        kinds = set((await tx.execute(select(causes.c.kind).distinct())).scalars())
    assert kinds >= {"clock_due", "notice_sent", "escalation_handled", "messages_resent", "opt_out_changed"}
    assert broken > count / 4
    assert called > count / 4


async def test_the_pack_that_ran_gives_exactly_what_the_ledger_holds(ledger: Ledger) -> None:
    lives = await lived(ledger, SOME)
    await assert_same(lives, SOME)
    done = await back_tested(lives, errand())
    assert (done.orders, done.left_out, done.orders_changed) == (SOME, {}, [])
    assert (done.messages.added, done.messages.removed, done.messages.changed) == (0, 0, 0)
    assert all(p.was == p.would_be and p.kept_was == p.kept_would_be for p in done.promises)
    assert done.escalations.was == done.escalations.would_be > 0


async def test_ladders_are_played_again_exactly_and_a_shower_in_their_place_shows(sqlite_url: str) -> None:
    ledger = Ledger(sqlite_url, Keyring(KEY), **OPTIONS)
    await migrate(ledger)
    lives = await lived(ledger, SOME, climbing())
    await assert_same(lives, SOME)
    async with ledger.reading() as tx:
        rungs = Counter((await tx.execute(select(messages.c.rung).where(messages.c.sent_at.is_not(None)))).scalars())
    assert min(rungs[n] for n in (1, 2, 3)) > SOME // 20, rungs
    shower = errand(("asked: {channels: [sms, email]}", "asked: {channels: [push, sms, whatsapp, email]}"))
    tester = BackTester(Packs([climbing()]), {"errand": shower}, Prices(), "Stagebell")
    done = await tester.run(ledger, lives.since, lives.clock.now())
    assert done.messages.added > 0
    assert done.ladders == []
    tester = BackTester(Packs([climbing()]), {"errand": climbing()}, Prices(), "Stagebell")
    same = await tester.run(ledger, lives.since, lives.clock.now())
    assert (same.messages.added, same.messages.removed) == (0, 0)
    assert sum(r.spared for r in same.ladders if r.rung > 1) > 0
    await ledger.close()


async def test_a_shorter_promise_shows_exactly_the_orders_that_it_concerns(ledger: Ledger) -> None:
    lives = MixedLives(ledger, errand(), SOME, late_s=(0,))
    await lives.live(8)
    shorter = errand(("in: [asked, quoted], within: 1h", "in: [asked, quoted], within: 30m"))
    done = await back_tested(lives, shorter)
    longer_than = timedelta(minutes=30)
    async with ledger.reading() as tx:
        rows = (
            await tx.execute(
                select(clocks, orders.c.order_id.label("reference"))
                .join(orders, orders.c.id == clocks.c.order_id)
                .where(clocks.c.name == "taken")
            )
        ).all()
    ran = [(row.reference, (row.stopped_at or lives.clock.now()) - row.started_at) for row in rows]
    concerned = {name for name, long in ran if long > longer_than}
    assert SOME // 8 < len(concerned) < SOME - SOME // 16
    assert {o.order_id for o in done.orders_changed} == concerned
    taken = next(p for p in done.promises if p.clock == "taken")
    assert taken.would_be == sum(long > longer_than for _, long in ran)
    assert taken.was == sum(row.state == "breached" for row in rows)
    assert done.messages.changed == 0


async def test_erased_orders_are_left_out_and_counted_and_nothing_is_written(url: str, ledger: Ledger) -> None:
    lives = MixedLives(ledger, errand(), 12)
    await lives.live(3)
    for name in ("E-0", "E-3"):
        await erase_order(lives.orders, OrderRef("errand", name), None)
    before = await in_ledger(ledger)
    reader = Ledger(url, Keyring(KEY), read_only=True)
    await look_at(reader)
    tester = BackTester(Packs([errand()]), {"errand": errand()}, Prices(), "Stagebell")
    done = await tester.run(reader, lives.since, lives.clock.now())
    assert (done.orders, done.left_out) == (10, {"erased": 2})
    assert await in_ledger(ledger) == before
    for opened in (reader.reading, reader.transaction):
        with pytest.raises(DBAPIError, match=r"read-?only"):
            async with opened() as tx:
                await tx.execute(orders.delete())
    await reader.close()


async def test_an_order_from_before_causes_were_recorded_is_left_out(ledger: Ledger) -> None:
    lives = MixedLives(ledger, errand(), 4)
    await lives.live(5)
    async with ledger.transaction() as tx:
        one = (await tx.execute(select(orders.c.id).where(orders.c.order_id == "E-1"))).scalar_one()
        first = inbox.c.order_id == one, inbox.c.timeline_n == 0
        await tx.execute(update(inbox).where(*first).values(order_id=None, sealed_event=None))
    done = await back_tested(lives, errand())
    assert (done.orders, done.left_out) == (3, {"incomplete": 1})


@pytest.mark.long
async def test_ten_thousand_orders_are_played_exactly(ledger: Ledger) -> None:
    await assert_same(await lived(ledger, 10_000), 10_000)

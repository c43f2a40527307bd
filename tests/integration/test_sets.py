"""Sets of rows: the same on both databases, one round trip on PostgreSQL, and its errors classed as any other's."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event as happening
from sqlalchemy import select

from service.broker.port import DEAD
from service.keyring import Keyring
from service.ledger.database.engine import Ledger
from service.ledger.database.faults import AlreadyThere, DatabaseError, fault_of
from service.ledger.database.sets import ROWS_TOGETHER, NewRow, Writes
from service.ledger.messages.tables import outbox, send_counts
from service.ledger.orders.tables import clocks, inbox, order_people, visits
from tests.support.events import CUSTOMER, event
from tests.support.nodes import connect
from tests.support.world import World
from tests.unit.test_faults import STATES

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def parts(postgres_url: str, rabbit_url: str) -> dict[str, Any]:
    """A service on PostgreSQL."""
    return {"database_url": postgres_url, "broker_url": rabbit_url}


def _seen(n: int, outcome: str = "accepted") -> NewRow:
    return {"key": n.to_bytes(16, "big"), "received_at": AT, "outcome": outcome, "content": None}


def _clock(n: int, state: str, stopped: datetime | None = None) -> NewRow:
    return {
        "id": UUID(int=n), "order_id": UUID(int=1), "workflow": "w", "name": f"c{n}", "kind": "dwell",
        "started_at": AT, "warn_at": None, "due_at": AT + timedelta(minutes=n), "state": state, "stopped_at": stopped,
        "noticed_late_s": 0.25 * n,
    }  # fmt: skip


@pytest.mark.parametrize("count", [3, ROWS_TOGETHER + 70])
async def test_all_kinds_of_writes_together(ledger: Ledger, count: int) -> None:
    """Few go out together and many table by table: what stands there afterwards is the same."""
    ids = range(1, count + 1)
    first = Writes()
    first.insert(inbox, [_seen(n) for n in ids])
    first.upsert(clocks, [_clock(n, "running") for n in ids], ("state", "stopped_at"))
    first.insert(send_counts, [{"scope": b"s" * 16, "day": "2026-03-02", "n": 2}])
    async with ledger.transaction() as tx:
        await first.run(tx, ("stagebell", "relay"))
    second = Writes()
    second.update(inbox, [{"key": n.to_bytes(16, "big"), "outcome": f"o{n}"} for n in ids], ("key",))
    second.upsert(clocks, [_clock(n, "kept", AT) for n in (1, count + 1)], ("state", "stopped_at"))
    second.insert_missing(order_people, [{"digest": b"d" * 16, "order_id": UUID(int=n)} for n in (1, 1, 2)])
    second.update(send_counts, [{"scope": b"s" * 16, "day": "2026-03-02", "n": -1}], ("scope", "day"), frozenset({"n"}))
    async with ledger.transaction() as tx:
        await second.run(tx)
    async with ledger.reading() as tx:
        outcomes = (await tx.execute(select(inbox.c.outcome).order_by(inbox.c.key))).scalars().all()
        found = (await tx.execute(select(clocks).order_by(clocks.c.id))).all()
        assert outcomes == [f"o{n}" for n in ids]
        assert [(c.state, c.stopped_at, c.noticed_late_s) for c in (found[0], found[1], found[-1])] == [
            ("kept", AT, 0.25), ("running", None, 0.5), ("kept", AT, 0.25 * (count + 1)),
        ]  # fmt: skip
        assert (await tx.execute(select(send_counts.c.n))).scalars().all() == [1]
        assert len((await tx.execute(select(order_people))).all()) == 2


async def test_what_is_there_already_is_told_like_any_such_row(ledger: Ledger) -> None:
    async def put() -> None:
        writes = Writes()
        writes.insert(inbox, [_seen(1)])
        writes.insert(
            visits, [{"order_id": UUID(int=1), "n": 1, "workflow": "w", "status": "s", "stage": "t", "at": AT}]
        )
        async with ledger.transaction() as tx:
            await writes.run(tx)

    await put()
    with pytest.raises(AlreadyThere):
        await put()


async def test_each_sqlstate_within_a_set_is_classed_as_any_other(postgres_url: str) -> None:
    """The whole table of states, raised by the server while it writes a set."""
    ledger = Ledger(postgres_url, Keyring("a secret key for tests, long enough as it is"))
    admin = await connect(postgres_url)
    await admin.execute(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'some words' USING ERRCODE = NEW.outcome; END $$;"
        "CREATE TRIGGER fail BEFORE INSERT ON inbox FOR EACH ROW EXECUTE FUNCTION fail()"
    )
    found = {}
    for n, state in enumerate(STATES):
        writes = Writes()
        writes.insert(inbox, [_seen(n, state)])
        with pytest.raises(DatabaseError) as raised:
            async with ledger.transaction() as tx:
                await writes.run(tx, ("stagebell", "relay"))
        found[state] = fault_of(raised.value)
    await admin.close()
    await ledger.close()
    assert found == STATES


@pytest.mark.uninterrupted
async def test_a_connection_that_breaks_within_a_set_buries_no_event(world: World) -> None:
    """Its server process is ended in the middle of the statement: the event is tried again and counts once."""
    admin = await connect(str(world.settings.database_url))
    await admin.execute(
        "CREATE SEQUENCE tries; CREATE FUNCTION breaks() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN IF nextval('tries') <= 2 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; RETURN NEW; END $$;"
        "CREATE TRIGGER breaks BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION breaks()"
    )
    await world.accept(event("S-1", "vendor_en_route", recipients={"customer": CUSTOMER}))
    await admin.close()
    async with world.ledger.reading() as tx:
        dead = (await tx.execute(select(outbox.c.id).where(outbox.c.exchange == DEAD))).all()
        taken = (await tx.execute(select(inbox.c.outcome))).scalars().all()
    assert (dead, taken) == ([], ["accepted"])


@pytest.mark.uninterrupted
async def test_a_code_is_committed_in_few_round_trips(world: World) -> None:
    """Begin, look, what people chose, what its channels ask before they send it at once, write, commit.

    What other processes are told goes with the write.
    """
    said: list[tuple[Any, str]] = []

    @happening.listens_for(world.ledger.engine.sync_engine, "before_cursor_execute")
    def keep(connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        said.append((connection, statement))

    otp = {"otp": {"value": "481920", "expires": "2026-03-02T09:09:00Z"}}
    await world.accept(event("S-1", "payment_initiated", recipients={"customer": CUSTOMER}, secrets=otp))
    ((ours, written),) = [(c, s) for c, s in said if "INSERT INTO inbox" in s]
    assert all(table in written for table in ("orders", "timeline", "notices", "messages", "pg_notify"))
    assert len([s for c, s in said if c is ours]) <= 5

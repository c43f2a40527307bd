"""A good event is never buried by the database's weather: real PostgreSQL, real locks and time limits."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import aio_pika
import pytest
from sqlalchemy import func, select, text

from service.broker.port import ORDERS
from service.intake.decoding import Incoming
from service.keyring import Keyring
from service.ledger.database import connecting
from service.ledger.database.engine import Ledger
from service.ledger.database.faults import fault_of
from service.ledger.messages.tables import outbox
from service.ledger.orders.tables import orders
from tests.support.events import encoded, event
from tests.support.nodes import connect
from tests.support.providers import Mailbox, Providers
from tests.support.world import World, settings_for


async def _counts(world: World) -> tuple[int, int]:
    """Orders, and messages on their way to the dead letters."""
    async with world.ledger.reading() as tx:
        known = await tx.execute(select(func.count()).select_from(orders))
        dead = await tx.execute(select(func.count()).select_from(outbox).where(outbox.c.exchange.like("%dead%")))
        return int(known.scalar_one()), int(dead.scalar_one())


@pytest.mark.parametrize("limit", ["statement", "lock"])
async def test_a_table_locked_for_longer_than_any_statement_may_take(
    postgres_url: str,
    rabbit_url: str,
    providers: Providers,
    mailbox: Mailbox,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
) -> None:
    """The lock outlives the time limit several times over; the event waits, and is applied once."""
    monkeypatch.setattr(connecting, "STATEMENT_TIMEOUT_S", 1)
    monkeypatch.setitem(connecting._SESSION, "statement_timeout", "500")
    world = World(
        settings_for(providers, mailbox, database_url=postgres_url, broker_url=rabbit_url), providers, mailbox
    )
    await world.start()
    blocker = await connect(postgres_url)
    try:
        if limit == "lock":
            name = postgres_url.rpartition("/")[2]
            await blocker.execute(f"ALTER DATABASE {name} SET lock_timeout = '200ms'")
            await world.ledger.engine.dispose()
        transaction = blocker.transaction()
        await transaction.start()
        await blocker.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        broker = await aio_pika.connect(rabbit_url)
        channel = await broker.channel()
        exchange = await channel.get_exchange(ORDERS)
        message = aio_pika.Message(encoded(event("L-1", "created")), content_type="application/cloudevents+json")
        await exchange.publish(message, "order.status_changed")
        await asyncio.sleep(4)
        await transaction.rollback()
        await broker.close()

        async def taken() -> bool:
            return (await _counts(world))[0] == 1

        await world.until(taken, "the order")
        assert await _counts(world) == (1, 0)
    finally:
        await blocker.close()
        await world.close()


async def _wrapped(ledger: Ledger, statements: str) -> None:
    async with ledger.engine.connect() as connection:
        for statement in statements.split("; "):
            await connection.execute(text(statement))


async def _raised(act: Awaitable[Any]) -> Exception:
    try:
        await act
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


async def test_postgres_s_own_refusals_are_classed(postgres_url: str) -> None:
    """What the server really raises, through SQLAlchemy and raw."""
    ledger = Ledger(postgres_url, Keyring("x"))
    raw = await connect(postgres_url)
    wanted = {
        "SET statement_timeout = 50; SELECT pg_sleep(1)": "transient",
        "SET TRANSACTION READ ONLY; CREATE TABLE x (a int)": "transient",
        "SELECT * FROM nowhere": "permanent",
        "SELECT nothing FROM orders": "permanent",
        "SELEKT 1": "ours",
        "SELECT 1/0": "ours",
        "SELECT pg_terminate_backend(pg_backend_pid())": "transient",
    }
    try:
        for statement, fault in wanted.items():
            assert fault_of(await _raised(_wrapped(ledger, statement))) == fault, statement
            assert fault_of(await _raised(raw.execute(statement))) == fault, statement
            if raw.is_closed():
                break
            await raw.execute("RESET ALL")
    finally:
        await raw.close()
        await ledger.close()


async def test_an_event_with_a_value_that_the_database_cannot_take_is_not_waited_for(world: World) -> None:
    """The other side: a fault of ours ends as a dead letter, not as a queue that stands still."""
    (verdict,) = await world.app.intake.take([Incoming(b"{")], dead_letter=True)
    assert verdict.outcome == "rejected"

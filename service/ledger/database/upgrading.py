"""Upgrades PostgreSQL's schema while other processes write: nobody waits for it longer than `LOCK_TIMEOUT_MS`.

Each step is a transaction that gives up if it does not get a lock at once, and is retried. Changes of indexes follow
each step, concurrently. If the process ends before that, the next one continues.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import msgspec
import structlog
from msgspec import Struct
from sqlalchemy import Connection, bindparam, delete, inspect, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio.engine import AsyncConnection, AsyncEngine

from service.ledger.database.tables import meta

log = structlog.get_logger(__name__)
# Not the lock of older releases, which wait for it inside a transaction: that would block building an index.
UPGRADE_LOCK: Final = 5_748_219_379
LEFT: Final = "indexes_left"
# Writers queue behind a statement that waits for a lock; this is how long they wait at most.
LOCK_TIMEOUT_MS: Final = 250
PAUSE_S: Final = 1.0
BLOCKED_AFTER_S: Final = 180.0
LOG_EVERY_S: Final = 10.0
# PostgreSQL's error codes: lock not available, deadlock, serialization failure.
_LOCKED: Final = ("55P03", "40P01", "40001")


class SchemaError(Exception):
    """The database's schema cannot be used or upgraded; the text says what to do."""


class Statement(Struct, frozen=True):
    """One statement about an index; `builds` is the index that it creates."""

    builds: str
    sql: str


class DeferredStatements:
    """Collects statements about indexes of existing tables, to be run after the step, concurrently with writers."""

    def __init__(self, tables: Sequence[str]) -> None:
        self.tables = frozenset(tables)
        self.statements: list[Statement] = []

    def add(self, builds: str, sql: str) -> None:
        """Run this after the step."""
        self.statements.append(Statement(builds, sql))


Apply = Callable[[Connection, str, DeferredStatements | None], None]


async def left(connection: AsyncConnection) -> list[Statement]:
    """The statements of committed steps that are still to be run."""
    stored = (await connection.execute(select(meta.c.value).where(meta.c.key == LEFT))).scalar_one_or_none()
    return msgspec.json.decode(stored, type=list[Statement]) if stored else []


@asynccontextmanager
async def alone(engine: AsyncEngine) -> AsyncIterator[None]:
    """One process at a time. Polls for the lock, because a waiting statement would block index builds."""
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        logged_at = time.monotonic()
        while not (await connection.execute(text(f"SELECT pg_try_advisory_lock({UPGRADE_LOCK})"))).scalar_one():
            if time.monotonic() - logged_at > LOG_EVERY_S:
                log.info("schema.waiting", hint="another process is upgrading the schema")
                logged_at = time.monotonic()
            await asyncio.sleep(PAUSE_S / 4)
        try:
            yield
        finally:
            await connection.execute(text(f"SELECT pg_advisory_unlock({UPGRADE_LOCK})"))


async def take_steps(engine: AsyncEngine, steps: Sequence[str], apply: Apply) -> None:
    """Run each step in its own transaction, then its deferred part; SchemaError if a lock is held for minutes."""
    for step in steps:
        await _until_unlocked(step, partial(_step, engine, step, apply))
        await build_left(engine)


async def _step(engine: AsyncEngine, step: str, apply: Apply) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}"))
        await connection.execute(text("SET LOCAL statement_timeout = 0"))
        await connection.run_sync(_apply_one, step, apply)


def _apply_one(connection: Connection, step: str, apply: Apply) -> None:
    later = DeferredStatements(inspect(connection).get_table_names())
    apply(connection, step, later)
    if later.statements:
        row = {"key": LEFT, "value": msgspec.json.encode(later.statements).decode()}
        connection.execute(insert(meta).values(row).on_conflict_do_update(index_elements=["key"], set_=row))


async def build_left(engine: AsyncEngine) -> None:
    """Run the deferred statements, concurrently; safe to be interrupted and repeated at any point."""
    while True:
        async with engine.connect() as connection:
            statements = await left(connection)
        if not statements:
            return
        first, *others = statements
        log.info("schema.index_building", statement=first.sql)
        await _until_unlocked(first.sql, partial(_concurrently, engine, first))
        async with engine.begin() as connection:
            ours = meta.c.key == LEFT
            value = msgspec.json.encode(others).decode()
            await connection.execute(
                meta.update().where(ours).values(value=value) if others else delete(meta).where(ours)
            )


async def _concurrently(engine: AsyncEngine, statement: Statement) -> None:
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        # CONCURRENTLY blocks neither readers nor writers, and waits for the oldest transaction to end.
        await connection.execute(text("SET lock_timeout = 0"))
        await connection.execute(text("SET statement_timeout = 0"))
        if statement.builds:
            await _drop_broken(connection, statement.builds)
        await connection.exec_driver_sql(statement.sql)


async def _drop_broken(connection: AsyncConnection, index: str) -> None:
    """An interrupted build leaves an invalid index, which is maintained but never used (PostgreSQL, CREATE INDEX)."""
    broken = text("SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(quote_ident(:index)) AND NOT indisvalid")
    if (await connection.execute(broken.bindparams(bindparam("index", index)))).scalar_one_or_none():
        quoted = connection.dialect.identifier_preparer.quote(index)
        await connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY IF EXISTS {quoted}")


async def _until_unlocked(step: str, work: Callable[[], Awaitable[None]]) -> None:
    deadline = time.monotonic() + BLOCKED_AFTER_S
    tries = 0
    while True:
        try:
            await work()
            return
        except DBAPIError as error:
            if str(getattr(error.orig, "sqlstate", "")) not in _LOCKED:
                raise
            tries += 1
            if time.monotonic() > deadline:
                raise SchemaError(
                    f"the schema is not up to date: step {step} got no lock in {BLOCKED_AFTER_S:.0f} s, as other"
                    " transactions hold it (see pg_stat_activity and pg_locks); nothing was changed: run it again"
                ) from error
            log.warning("schema.blocked", step=step, tries=tries, retry_in_s=PAUSE_S)
            await asyncio.sleep(PAUSE_S)

"""Transactions on PostgreSQL (asyncpg) and SQLite (aiosqlite), with one interface."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import uuid_utils.compat
from sqlalchemy import text
from sqlalchemy.engine import make_url

from service.keyring import Keyring
from service.ledger.database import sqlite
from service.ledger.database.connecting import PostgresConnector
from service.ledger.database.liveness import FileLiveness, Liveness, SessionLiveness
from service.ledger.database.transaction import Transaction

T = TypeVar("T")


class Ledger:
    """Opens transactions; holds the keys for sealed columns."""

    def __init__(
        self,
        url: str,
        keyring: Keyring,
        *,
        direct_url: str = "",
        sqlite_synchronous: str = "FULL",
        read_only: bool = False,
    ) -> None:
        """`direct_url`: PostgreSQL without a connection pooler, for what needs a session: LISTEN, migrations, locks.

        `read_only`: the database itself refuses writes.
        """
        self.keyring = keyring
        self.is_sqlite = url.startswith("sqlite")
        self._writing = asyncio.Lock()
        self.connector = None if self.is_sqlite else PostgresConnector(url, read_only=read_only)
        self.direct = PostgresConnector(direct_url) if direct_url and self.connector else self.connector
        self.liveness: Liveness = FileLiveness(_file_of(url)) if self.is_sqlite else SessionLiveness()
        if self.connector:
            self.engine = self.connector.engine()
        else:
            in_memory = _file_of(url) is None
            self.engine = (
                sqlite.reader_of(url)
                if read_only
                else sqlite.engine_of(url, in_memory=in_memory, synchronous=sqlite_synchronous)
            )
        # Queries outside of a transaction need one round trip instead of three.
        options: dict[str, Any] = {"without_begin": True} if self.is_sqlite else {"isolation_level": "AUTOCOMMIT"}
        if read_only:
            # All queries see one snapshot; behind a pooler the transaction has to be declared read-only.
            options = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._readers = self.engine.execution_options(**options)

    async def detect_pooler(self) -> None:
        """Detect connection poolers; raises the errors of connecting."""
        for connector in dict.fromkeys((self.connector, self.direct)):
            if connector is not None:
                await connector.detect_pooler()
        if self.connector is not None and self.connector.pooled and not self.connector.read_only:
            # A pooler may run two round trips of one statement on two servers, except within a transaction.
            self._readers = self.engine

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """One transaction: committed at the end, rolled back by an exception."""
        if self.is_sqlite:
            # One writer at a time: a lock here is fairer than SQLite's busy loop.
            async with self._writing, self.engine.begin() as connection:
                yield Transaction(connection, self.keyring, self.liveness.owner)
        else:
            async with self.engine.begin() as connection:
                yield Transaction(connection, self.keyring, self.liveness.owner)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Transaction]:
        """A connection for queries that change nothing."""
        async with self._readers.connect() as connection:
            yield Transaction(connection, self.keyring, self.liveness.owner)

    async def now(self) -> datetime:
        """The time of the database's clock; for SQLite, of this machine's (UTC)."""
        if self.is_sqlite:
            return datetime.now(UTC)
        async with self.reading() as connection:
            moment: datetime = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
            return moment

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()


def _file_of(url: str) -> Path | None:
    """The path of a SQLite database; None for one in memory."""
    name = make_url(url).database
    return Path(name).absolute() if name and ":memory:" not in name else None


def new_uuid() -> UUID:
    """A time-ordered id (RFC 9562, version 7)."""
    return uuid_utils.compat.uuid7()


def padded(values: Iterable[T]) -> Sequence[T]:
    """`values` padded to a power of two by repeating the last, so that `IN (...)` has few variants to prepare."""
    items = list(values)
    if not items:
        return items
    size = 1 << (len(items) - 1).bit_length()
    return items + [items[-1]] * (size - len(items))

"""SQLite's connections: when a transaction begins and what is left of one that ends early."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError

from service.keyring import Keyring
from service.ledger.database import sqlite
from service.ledger.database.engine import Ledger
from service.ledger.database.faults import is_transient
from service.ledger.database.tables import meta

# Long enough to be cancelled meanwhile.
SLOW = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) SELECT max(i) FROM n"


@pytest.fixture
async def ledger(sqlite_url: str) -> AsyncIterator[Ledger]:
    found = Ledger(sqlite_url, Keyring("a secret key for tests, long enough as it is"))
    yield found
    await found.close()


@pytest.fixture
def other(sqlite_url: str) -> Iterator[sqlite3.Connection]:
    """Another process's connection, which waits for nothing."""
    with closing(sqlite3.connect(str(make_url(sqlite_url).database), timeout=0, isolation_level=None)) as found:
        yield found


def is_free(other: sqlite3.Connection) -> bool:
    """Whether nobody has the write lock."""
    try:
        other.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return False
    other.execute("ROLLBACK")
    return True


def names(other: sqlite3.Connection) -> set[str]:
    return {name for (name,) in other.execute("SELECT key FROM meta") if name.startswith("own")}


async def test_it_begins_with_its_first_statement_and_a_read_may_be_that(
    ledger: Ledger, other: sqlite3.Connection
) -> None:
    async with ledger.transaction() as tx:
        assert is_free(other)
        await tx.execute(select(meta.c.key))
        assert not is_free(other), "what was read is to be written, so nobody else writes meanwhile"
        await tx.execute(insert(meta), [{"key": "own-1", "value": "1"}, {"key": "own-2", "value": "2"}])
        assert names(other) == set()
    assert names(other) == {"own-1", "own-2"}
    assert is_free(other)


async def test_reading_sees_what_is_committed_and_locks_nothing(ledger: Ledger, other: sqlite3.Connection) -> None:
    async with ledger.transaction() as tx, ledger.reading() as aside:
        await tx.execute(insert(meta), {"key": "own", "value": "1"})
        assert (await aside.execute(select(meta.c.key).where(meta.c.key == "own"))).all() == []
    async with ledger.reading() as tx:
        assert (await tx.execute(select(meta.c.value).where(meta.c.key == "own"))).scalar_one() == "1"
        assert is_free(other)


async def test_nothing_is_left_of_one_that_fails(ledger: Ledger, other: sqlite3.Connection) -> None:
    async def fail(why: str) -> None:
        async with ledger.transaction() as tx:
            await tx.execute(insert(meta), {"key": "own", "value": "1"})
            await tx.execute(text(why))

    for why in ("SELECT 1 FROM nowhere", "INSERT INTO meta (key, value) VALUES ('own', '2')"):
        with pytest.raises(DBAPIError):
            await fail(why)
        assert names(other) == set()
        assert is_free(other)


async def test_nothing_is_left_of_one_that_is_cancelled_in_a_statement(
    ledger: Ledger, other: sqlite3.Connection
) -> None:
    for statements in ((SLOW,), ("INSERT INTO meta (key, value) VALUES ('own', '1')", SLOW)):
        begun = asyncio.Event()

        async def run(statements: tuple[str, ...] = statements, begun: asyncio.Event = begun) -> None:
            async with ledger.transaction() as tx:
                for statement in statements:
                    if statement == SLOW:
                        begun.set()
                    await tx.execute(text(statement))

        task = asyncio.create_task(run())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with ledger.transaction() as tx:
            await tx.execute(insert(meta), {"key": f"own-{len(statements)}", "value": "1"})
    assert names(other) == {"own-1", "own-2"}


async def test_one_that_gets_no_lock_says_so_and_the_next_one_works(ledger: Ledger, other: sqlite3.Connection) -> None:
    async with ledger.transaction() as tx:
        await tx.execute(text("PRAGMA busy_timeout=1"))
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(OperationalError) as raised:
        async with ledger.transaction() as tx:
            await tx.execute(insert(meta), {"key": "own", "value": "1"})
    assert is_transient(raised.value)
    other.execute("ROLLBACK")
    async with ledger.transaction() as tx:
        await tx.execute(insert(meta), {"key": "own", "value": "1"})
    assert names(other) == {"own"}


async def test_more_readers_than_connections_all_read(ledger: Ledger) -> None:
    async def read() -> int:
        async with ledger.reading() as tx:
            return int((await tx.execute(text(SLOW))).scalar_one())

    assert set(await asyncio.gather(*(read() for _ in range(3 * sqlite.CONNECTIONS)))) == {300000}

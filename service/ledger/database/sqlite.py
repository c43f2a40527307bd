"""SQLite under SQLAlchemy with one trip to the connection's thread for each statement.

SQLAlchemy's adapter of aiosqlite makes four (cursor, execute, fetch, close), and three more for BEGIN. Each takes more
CPU than what SQLite does for it.
"""

import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar
from urllib.parse import quote

import aiosqlite
from msgspec import Struct
from sqlalchemy import Connection, event
from sqlalchemy.dialects.sqlite.aiosqlite import (
    AsyncAdapt_aiosqlite_connection,
    AsyncAdapt_aiosqlite_cursor,
    AsyncAdapt_aiosqlite_dbapi,
)
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio.engine import AsyncEngine, create_async_engine
from sqlalchemy.pool import StaticPool
from sqlalchemy.util import EMPTY_DICT
from sqlalchemy.util.concurrency import await_

T = TypeVar("T")
BUSY_MS: Final = 30_000
# One writes at a time, and readers beyond these would wait for each other; a connection takes 2 ms and a thread.
CONNECTIONS: Final = 6
_POOL: Final[dict[str, Any]] = {"pool_size": CONNECTIONS, "max_overflow": 0}
ROWS_AT_ONCE: Final = 64


def engine_of(url: str, *, in_memory: bool, synchronous: str) -> AsyncEngine:
    """`synchronous`: FULL survives a power cut without loss, NORMAL may lose the last commits (SQLite, Pragmas)."""
    pragmas = ("journal_mode=WAL", f"synchronous={synchronous}", f"busy_timeout={BUSY_MS}")
    # IMMEDIATE takes the write lock first, as a read transaction that turns into a write may fail without retry.
    return _engine(url, pragmas, "BEGIN IMMEDIATE", **({"poolclass": StaticPool} if in_memory else _POOL))


def reader_of(url: str) -> AsyncEngine:
    """An engine that refuses writes (SQLite, "URI filenames", mode=ro; Pragmas, query_only)."""
    path = make_url(url).database or ""
    return _engine(f"sqlite+aiosqlite:///file:{quote(path)}?mode=ro&uri=true", ("query_only=ON",), "BEGIN", **_POOL)


def _engine(url: str, pragmas: tuple[str, ...], begin: str, **pool: Any) -> AsyncEngine:
    engine = create_async_engine(
        url,
        module=_DBAPI,
        hide_parameters=True,
        connect_args={"pragmas": pragmas, "timeout": BUSY_MS / 1000},
        **pool,
    )

    @event.listens_for(engine.sync_engine, "begin")
    def _on_begin(connection: Connection) -> None:
        if not connection.get_execution_options().get("without_begin"):
            adapter: Any = connection.connection.dbapi_connection
            adapter.begin(begin)

    return engine


class _Result(Struct, frozen=True):
    """What a statement gave, named as DB-API names it."""

    description: Any = None
    rowcount: int = -1
    lastrowid: int | None = None
    arraysize: int = 1


class _Driver(aiosqlite.Connection):
    """A connection that runs a function of ours in its thread."""

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The function's result, or its error."""
        result: T = await self._execute(work, self._conn)  # type: ignore[no-untyped-call]
        return result


def _opened(pragmas: Sequence[str], database: str, **options: Any) -> sqlite3.Connection:
    """A connection in which transactions begin when they are told to."""
    connection: sqlite3.Connection = sqlite3.connect(database, isolation_level=None, **options)
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}")
    return connection


class _Cursor(AsyncAdapt_aiosqlite_cursor):
    """Runs a statement and fetches its rows in one trip; SQLite's own cursor lives no longer than that."""

    __slots__ = ()

    def __init__(self, adapt_connection: "_Connection") -> None:
        self._adapt_connection = adapt_connection
        self._connection = adapt_connection._connection
        self._soft_closed_memoized = EMPTY_DICT
        self._forget()

    def _forget(self) -> None:
        self._rows = deque()
        self._cursor: Any = _Result()

    def execute(self, operation: Any, parameters: Any = None) -> None:
        self._run(partial(_executed, operation, parameters or ()))

    def executemany(self, operation: Any, seq_of_parameters: Any) -> None:
        self._run(partial(_executed_many, operation, seq_of_parameters))

    def _run(self, work: Callable[[sqlite3.Connection], tuple[_Result, list[Any]]]) -> None:
        self._forget()
        self._cursor, rows = self._adapt_connection.run(work)  # type: ignore[attr-defined]
        self._rows = deque(rows)

    async def _async_soft_close(self) -> None:
        """There is nothing to close."""

    def close(self) -> None:
        self._rows.clear()


def _executed(statement: str, parameters: Any, connection: sqlite3.Connection) -> tuple[_Result, list[Any]]:
    cursor = connection.execute(statement, parameters)
    rows = cursor.fetchall() if cursor.description else []
    return _taken(cursor), rows


def _executed_many(statement: str, parameters: Any, connection: sqlite3.Connection) -> tuple[_Result, list[Any]]:
    return _taken(connection.executemany(statement, parameters)), []


def _taken(cursor: sqlite3.Cursor) -> _Result:
    result = _Result(cursor.description, cursor.rowcount, cursor.lastrowid)
    cursor.close()
    return result


class _Connection(AsyncAdapt_aiosqlite_connection):
    """A connection whose transaction begins with its first statement, in the same trip."""

    __slots__ = ("_begins", "_is_open")
    _cursor_cls: type[AsyncAdapt_aiosqlite_cursor] = _Cursor

    def __init__(self, dbapi: Any, connection: Any) -> None:
        super().__init__(dbapi, connection)
        self._begins = ""
        self._is_open = False

    def begin(self, how: str) -> None:
        """Begin a transaction before the next statement."""
        self._begins = how

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The result of `work` in the connection's thread."""
        begins, self._begins = self._begins, ""
        self._is_open = self._is_open or bool(begins)
        try:
            result: T = await_(self._connection.run(partial(_begun, begins, work) if begins else work))
        except Exception as error:
            self._handle_exception(error)
        return result

    def rollback(self) -> None:
        if self._ended():
            super().rollback()

    def commit(self) -> None:
        if self._ended():
            super().commit()

    def _ended(self) -> bool:
        """Whether there was a transaction; one without a statement never began."""
        was_open, self._is_open, self._begins = self._is_open, False, ""
        return was_open


def _begun(how: str, work: Callable[[sqlite3.Connection], T], connection: sqlite3.Connection) -> T:
    connection.execute(how)
    return work(connection)


class _Dbapi(AsyncAdapt_aiosqlite_dbapi):
    """aiosqlite, with our connections."""

    def connect(self, *arg: Any, **kw: Any) -> _Connection:
        driver = _Driver(partial(_opened, kw.pop("pragmas"), *arg, **kw), ROWS_AT_ONCE)
        # A process that ends does not wait for it.
        driver._thread.daemon = True
        return _Connection(self, await_(driver))


_DBAPI: Final = _Dbapi(aiosqlite, sqlite3)

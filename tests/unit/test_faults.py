"""Every error of the database is known: weather that passes, what a person must mend, or a fault of ours."""

import sqlite3
from collections.abc import Callable

import asyncpg
import pytest
from sqlalchemy import exc

from service.ledger.faults import SQLITE_CODES, SQLSTATES, fault_of, is_transient, is_weather

STATES = {
    "08000": "passing", "08001": "passing", "08003": "passing", "08004": "passing", "08006": "passing",
    "08P01": "passing", "0A000": "ours", "21000": "ours", "22001": "ours", "22003": "ours", "22021": "ours",
    "23502": "ours", "23503": "ours", "23505": "ours", "25006": "passing", "25P02": "ours", "25P03": "passing",
    "25P04": "passing", "26000": "passing", "28000": "permanent", "28P01": "permanent", "3D000": "permanent",
    "3F000": "permanent", "40001": "passing", "40003": "passing", "40P01": "passing", "42601": "ours",
    "42501": "permanent", "42703": "permanent", "42883": "permanent", "42P01": "permanent", "42P05": "passing",
    "53000": "passing", "53100": "passing", "53200": "passing", "53300": "passing", "53400": "passing",
    "54000": "ours", "55000": "ours", "55006": "passing", "55P03": "passing", "57000": "passing", "57014": "passing",
    "57P01": "passing", "57P02": "passing", "57P03": "passing", "57P04": "passing", "57P05": "passing",
    "58000": "passing", "58030": "passing", "58P01": "passing", "F0000": "permanent", "P0001": "ours",
    "XX000": "passing", "XX001": "permanent", "XX002": "permanent",
}  # fmt: skip


def _raw(state: str) -> asyncpg.PostgresError:
    error = asyncpg.PostgresError("some words")
    error.sqlstate = state
    return error


def _wrapped(raw: Exception, kind: type[exc.DBAPIError] = exc.DBAPIError) -> exc.DBAPIError:
    """As SQLAlchemy hands it on: the driver's error below its adapter's, below its own."""
    from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi

    adapted: Exception = AsyncAdapt_asyncpg_dbapi.Error("some words", raw)  # type: ignore[no-untyped-call]
    adapted.__cause__ = raw
    return kind("SELECT 1", {}, adapted)


@pytest.mark.parametrize(("state", "fault"), STATES.items())
def test_each_sqlstate_is_known_raw_and_wrapped(state: str, fault: str) -> None:
    assert fault_of(_raw(state)) == fault
    for kind in (exc.DBAPIError, exc.OperationalError, exc.InterfaceError, exc.ProgrammingError, exc.InternalError):
        assert fault_of(_wrapped(_raw(state), kind)) == fault


def test_each_line_of_the_table_has_a_test() -> None:
    assert {s for s in SQLSTATES if s} <= {k[: len(s)] for s in SQLSTATES for k in STATES if k.startswith(s)}
    assert {k[:2] for k in STATES} >= {s[:2] for s in SQLSTATES if s}


def test_every_error_that_asyncpg_knows_has_its_class() -> None:
    for name in dir(asyncpg.exceptions):
        kind = getattr(asyncpg.exceptions, name)
        state = getattr(kind, "sqlstate", None)
        if isinstance(state, str) and kind is not asyncpg.InvalidCachedStatementError:
            assert fault_of(kind("some words")) == fault_of(_raw(state)), name


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (asyncpg.InterfaceError("connection is closed"), "passing"),
        (asyncpg.InternalClientError("unexpected"), "passing"),
        (asyncpg.exceptions.OutdatedSchemaCacheError("x"), "passing"),
        (asyncpg.InvalidCachedStatementError("cached statement plan is invalid"), "passing"),
        (asyncpg.DataError("invalid input for query argument $1"), "ours"),
        (asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"), "passing"),
        (ConnectionResetError(), "passing"),
        (TimeoutError(), "passing"),
        (exc.TimeoutError("QueuePool limit of size 8 overflow 8 reached"), "passing"),
        (exc.PendingRollbackError("x"), "passing"),
        (exc.ResourceClosedError("x"), "passing"),
        (exc.InvalidRequestError("x"), "ours"),
        (ValueError("x"), "ours"),
    ],
)
def test_what_drivers_and_the_pool_raise_by_themselves(error: Exception, fault: str) -> None:
    assert fault_of(error) == fault
    if isinstance(error, (asyncpg.InterfaceError, asyncpg.PostgresError)):
        assert fault_of(_wrapped(error)) == fault


def test_a_connection_that_is_known_to_be_gone_passes() -> None:
    error = _wrapped(_raw("42601"))
    error.connection_invalidated = True
    assert is_transient(error)


@pytest.mark.parametrize(("code", "fault"), SQLITE_CODES.items())
def test_each_code_of_sqlite(code: int, fault: str) -> None:
    for extended in (code, code | 3 << 8):
        error = sqlite3.OperationalError("some words")
        error.sqlite_errorcode = extended
        assert fault_of(exc.OperationalError("x", {}, error)) == fault_of(error) == fault


def _no_such_table(c: sqlite3.Connection) -> None:
    c.execute("SELECT * FROM nowhere")


def _bad_syntax(c: sqlite3.Connection) -> None:
    c.execute("SELEKT 1")


def _unique(c: sqlite3.Connection) -> None:
    c.executescript("CREATE TABLE t (a UNIQUE); INSERT INTO t VALUES (1)")
    c.execute("INSERT INTO t VALUES (1)")


def _full(c: sqlite3.Connection) -> None:
    c.execute("PRAGMA max_page_count = 2")
    c.executescript("CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(100000))")


@pytest.mark.parametrize(
    ("act", "fault"), [(_no_such_table, "permanent"), (_bad_syntax, "ours"), (_unique, "ours"), (_full, "passing")]
)
def test_what_sqlite_really_raises(act: Callable[[sqlite3.Connection], None], fault: str) -> None:
    with pytest.raises(sqlite3.Error) as raised:
        act(sqlite3.connect(":memory:"))
    assert fault_of(raised.value) == fault
    assert is_weather(raised.value) == (fault != "ours")

"""Every error of the database is known: weather that passes, what a person must mend, or a fault of ours."""

import sqlite3
from collections.abc import Callable

import asyncpg
import pytest
from sqlalchemy import exc

from service.ledger.database.faults import SQLITE_CODES, SQLSTATES, fault_of, is_outage, is_transient

STATES = {
    "08000": "transient", "08001": "transient", "08003": "transient", "08004": "transient", "08006": "transient",
    "08P01": "transient", "0A000": "ours", "21000": "ours", "22001": "ours", "22003": "ours", "22021": "ours",
    "23502": "ours", "23503": "ours", "23505": "ours", "25006": "transient", "25P02": "ours", "25P03": "transient",
    "25P04": "transient", "26000": "transient", "28000": "permanent", "28P01": "permanent", "3D000": "permanent",
    "3F000": "permanent", "40001": "transient", "40003": "transient", "40P01": "transient", "42601": "ours",
    "42501": "permanent", "42703": "permanent", "42883": "permanent", "42P01": "permanent", "42P05": "transient",
    "53000": "transient", "53100": "transient", "53200": "transient", "53300": "transient", "53400": "transient",
    "54000": "ours", "55000": "ours", "55006": "transient", "55P03": "transient", "57000": "transient", "57014": "transient",
    "57P01": "transient", "57P02": "transient", "57P03": "transient", "57P04": "transient", "57P05": "transient",
    "58000": "transient", "58030": "transient", "58P01": "transient", "F0000": "permanent", "P0001": "ours",
    "XX000": "transient", "XX001": "permanent", "XX002": "permanent",
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
        (asyncpg.InterfaceError("connection is closed"), "transient"),
        (asyncpg.InternalClientError("unexpected"), "transient"),
        (asyncpg.exceptions.OutdatedSchemaCacheError("x"), "transient"),
        (asyncpg.InvalidCachedStatementError("cached statement plan is invalid"), "transient"),
        (asyncpg.DataError("invalid input for query argument $1"), "ours"),
        (asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"), "transient"),
        (ConnectionResetError(), "transient"),
        (TimeoutError(), "transient"),
        (exc.TimeoutError("QueuePool limit of size 8 overflow 8 reached"), "transient"),
        (exc.PendingRollbackError("x"), "transient"),
        (exc.ResourceClosedError("x"), "transient"),
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
    ("act", "fault"), [(_no_such_table, "permanent"), (_bad_syntax, "ours"), (_unique, "ours"), (_full, "transient")]
)
def test_what_sqlite_really_raises(act: Callable[[sqlite3.Connection], None], fault: str) -> None:
    with pytest.raises(sqlite3.Error) as raised:
        act(sqlite3.connect(":memory:"))
    assert fault_of(raised.value) == fault
    assert is_outage(raised.value) == (fault != "ours")

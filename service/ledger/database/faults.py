"""Classifies database errors: transient, permanent (a person must fix it), or a bug of ours.

One table for all errors: by SQLSTATE (PostgreSQL manual, appendix A), by SQLite's result code (sqlite.org/rescode.html)
and by type for errors that drivers raise themselves. The longest matching prefix of a SQLSTATE counts.
"""

import sqlite3
from typing import Final, Literal

import asyncpg
from sqlalchemy import exc

Fault = Literal["transient", "permanent", "ours"]

# The ledger's errors under its own names, so that callers do not depend on the library.
LedgerError: Final = exc.SQLAlchemyError
DatabaseError: Final = exc.DBAPIError
AlreadyThere: Final = exc.IntegrityError

SQLSTATES: Final[dict[str, Fault]] = {
    "": "ours",
    "08": "transient",  # the connection
    "0A000": "ours",
    "22": "ours",  # data exception
    "23": "ours",  # a constraint
    "25006": "transient",  # read only: a standby that is about to be promoted, or a primary that was demoted
    "25P03": "transient",  # idle in a transaction for too long
    "25P04": "transient",  # a transaction that took too long
    "26": "transient",  # a prepared statement that a pooler or a failover took away
    "28": "permanent",  # wrong user or password
    "3D": "permanent",  # no such database
    "3F": "permanent",  # no such schema
    "40": "transient",  # deadlock, serialization failure, unknown result of a commit
    "42": "ours",
    "42501": "permanent",  # insufficient privilege
    "42703": "permanent",  # no such column: the schema is of another version
    "42883": "permanent",  # no such function
    "42P01": "permanent",  # no such table
    "42P05": "transient",  # a prepared statement of another client, behind a pooler
    "53": "transient",  # disk full, out of memory, too many connections
    "55006": "transient",  # in use
    "55P03": "transient",  # lock not available
    "57": "transient",  # cancelled (57014: it took too long), shutting down, crashed, starting up
    "58": "transient",  # I/O error
    "F0": "permanent",  # the server's configuration file
    "XX": "transient",  # an internal error of the server
    "XX001": "permanent",  # corrupt data
    "XX002": "permanent",  # a corrupt index
}

SQLITE_CODES: Final[dict[int, Fault]] = {
    sqlite3.SQLITE_INTERNAL: "transient",
    sqlite3.SQLITE_PERM: "permanent",
    sqlite3.SQLITE_ABORT: "transient",
    sqlite3.SQLITE_BUSY: "transient",
    sqlite3.SQLITE_LOCKED: "transient",
    sqlite3.SQLITE_NOMEM: "transient",
    sqlite3.SQLITE_READONLY: "permanent",
    sqlite3.SQLITE_INTERRUPT: "transient",
    sqlite3.SQLITE_IOERR: "transient",
    sqlite3.SQLITE_CORRUPT: "permanent",
    sqlite3.SQLITE_FULL: "transient",
    sqlite3.SQLITE_CANTOPEN: "transient",
    sqlite3.SQLITE_PROTOCOL: "transient",
    sqlite3.SQLITE_SCHEMA: "transient",
    sqlite3.SQLITE_AUTH: "permanent",
    sqlite3.SQLITE_NOTADB: "permanent",
}
_OTHER_SCHEMA: Final = ("no such table", "no such column")
# Errors of drivers and of the pool that a retry on another connection may solve.
_PASSING_TYPES: Final = (
    OSError,
    TimeoutError,
    exc.TimeoutError,
    exc.PendingRollbackError,
    exc.ResourceClosedError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.exceptions.InvalidCachedStatementError,
)


def fault_of(error: BaseException) -> Fault:
    """The class of an error; errors that are not from the database count as our bugs."""
    if isinstance(error, exc.DBAPIError):
        if error.connection_invalidated:
            return "transient"
        return _of_driver(error.orig)
    return _of_driver(error)


def _of_driver(error: BaseException | None) -> Fault:
    """The class of a driver's error, possibly wrapped by SQLAlchemy's adapter."""
    raised = (
        error.__cause__ if error is not None and type(error).__module__.startswith("sqlalchemy.dialects") else error
    )
    if isinstance(raised, asyncpg.DataError):
        return "ours"  # a value that the driver cannot encode, though it is an interface error
    if isinstance(raised, _PASSING_TYPES):
        return "transient"
    if isinstance(raised, sqlite3.Error):
        return _of_sqlite(raised)
    return _of_state(str(getattr(raised, "sqlstate", None) or getattr(error, "sqlstate", None) or ""))


def _of_state(state: str) -> Fault:
    return next(SQLSTATES[state[:n]] for n in (5, 2, 0) if state[:n] in SQLSTATES)


def _of_sqlite(error: sqlite3.Error) -> Fault:
    if str(error).startswith(_OTHER_SCHEMA):
        return "permanent"
    # The low byte is the primary result code, the others detail it.
    return SQLITE_CODES.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, "ours")


def is_transient(error: BaseException) -> bool:
    """Whether a retry of the same transaction may succeed."""
    return fault_of(error) == "transient"


def is_outage(error: BaseException) -> bool:
    """Whether the database is unavailable, as opposed to the statement being wrong: wait and try again."""
    return fault_of(error) != "ours"

"""The first contact with the database: waits while it starts, and explains what is wrong with its address."""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import asyncpg
import structlog
from sqlalchemy.exc import DBAPIError

from service.ledger.database.engine import Ledger
from service.ledger.database.faults import is_transient
from service.settings import SettingsError

T = TypeVar("T")
log = structlog.get_logger(__name__)
PAUSE_S: Final = 1.0
BRIEFLY_S: Final = 2.0
# PostgreSQL's error codes, appendix A: connection exceptions, too many connections, cannot connect now (and shutdowns).
_AWAY: Final = ("08", "53300", "57P")
_REMEDIES: Final = {
    "28": "are the user and password right? does pg_hba.conf admit this machine, with or without TLS?",
    "3D000": "create it (CREATE DATABASE), or name another one",
    "42501": "grant it: the user must own the database, or have the right to create in its schema",
}


async def when_available(ledger: Ledger, work: Callable[[], Awaitable[T]], wait_s: float = BRIEFLY_S) -> T:
    """Run `work`, which must be repeatable, until it succeeds or no database has answered for `wait_s` seconds.

    Raises SettingsError after that time, and at once if the database refuses us.
    """
    deadline = time.monotonic() + wait_s
    logged = ""
    while True:
        try:
            return await work()
        except (OSError, DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            detail = why(error)
            if remedy := _refused(error, detail):
                raise SettingsError(f"STAGEBELL_DATABASE_URL: the database refused: {detail}: {remedy}") from error
            if not (is_transient(error) or isinstance(error, asyncpg.InterfaceError) or _code(error).startswith(_AWAY)):
                raise
            if ledger.is_sqlite or time.monotonic() > deadline:
                raise SettingsError(
                    f"STAGEBELL_DATABASE_URL: no database answered: {detail}: {_look(ledger)}"
                ) from error
            if detail != logged:
                logged = detail
                log.warning("database.waiting", setting="STAGEBELL_DATABASE_URL", error=detail, at_most_s=wait_s)
            await asyncio.sleep(PAUSE_S)


def _refused(error: Exception, detail: str) -> str:
    """A remedy for an error that waiting cannot solve; empty for any other."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            "name the right certificate authority with sslrootcert=FILE, and the host's name as the certificate has it"
        )
    if "rejected SSL upgrade" in detail:
        return "the server does not support TLS: turn it on there (ssl = on), or leave sslmode out"
    if "file is not a database" in detail:  # SQLITE_NOTADB
        return "it is another program's file, or damaged: name another one, or restore it"
    code = _code(error)
    return next((remedy for prefix, remedy in _REMEDIES.items() if code.startswith(prefix)), "")


def _look(ledger: Ledger) -> str:
    if ledger.is_sqlite:
        return "can this user write to its folder, and is there space on the disk?"
    return "is it running there, and can it be reached from here?"


def _code(error: Exception) -> str:
    return str(getattr(getattr(error, "orig", error), "sqlstate", "") or "")


def why(error: Exception) -> str:
    """The driver's error text, without statement and parameters."""
    detail = str(getattr(error, "orig", None) or error)
    return detail.partition("\n")[0] or type(error).__name__

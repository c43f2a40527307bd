"""The first work with the database: waits while it starts, and says in a sentence what is wrong with its address."""

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
    "28": "is the user, and its password, right? is this machine let in by pg_hba.conf, with or without TLS?",
    "3D000": "make it (CREATE DATABASE), or name another",
    "42501": "grant it: the user must own the database, or may create in its schema",
}


async def when_available(ledger: Ledger, work: Callable[[], Awaitable[T]], wait_s: float = BRIEFLY_S) -> T:
    """Do `work`, which may be done twice, again and again for `wait_s` seconds while no database answers.

    Raises SettingsError when none did, and at once when the database says no.
    """
    deadline = time.monotonic() + wait_s
    logged = ""
    while True:
        try:
            return await work()
        except (OSError, DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            said = why(error)
            if remedy := _refused(error, said):
                raise SettingsError(f"STAGEBELL_DATABASE_URL: the database refused: {said}: {remedy}") from error
            if not (is_transient(error) or isinstance(error, asyncpg.InterfaceError) or _code(error).startswith(_AWAY)):
                raise
            if ledger.is_sqlite or time.monotonic() > deadline:
                raise SettingsError(f"STAGEBELL_DATABASE_URL: no database answered: {said}: {_look(ledger)}") from error
            if said != logged:
                logged = said
                log.warning("database.waiting", setting="STAGEBELL_DATABASE_URL", error=said, at_most_s=wait_s)
            await asyncio.sleep(PAUSE_S)


def _refused(error: Exception, said: str) -> str:
    """What to do about an answer that no waiting changes; empty when it may."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "give the right authority with sslrootcert=FILE, and the host's name as the certificate has it"
    if "rejected SSL upgrade" in said:
        return "the server speaks no TLS: turn it on there (ssl = on), or leave sslmode out"
    if "file is not a database" in said:  # SQLITE_NOTADB
        return "another program's file, or a damaged one: name another, or restore it"
    code = _code(error)
    return next((remedy for prefix, remedy in _REMEDIES.items() if code.startswith(prefix)), "")


def _look(ledger: Ledger) -> str:
    if ledger.is_sqlite:
        return "may this user write its folder, and is there room on the disk?"
    return "does it run there, and may it be reached from here?"


def _code(error: Exception) -> str:
    return str(getattr(getattr(error, "orig", error), "sqlstate", "") or "")


def why(error: Exception) -> str:
    """The driver's own words, without statement and parameters."""
    said = str(getattr(error, "orig", None) or error)
    return said.partition("\n")[0] or type(error).__name__

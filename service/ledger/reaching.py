"""The first work with the database: waits while it starts, and says in a sentence what is wrong with its address."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog
from sqlalchemy.exc import DBAPIError

from service.ledger.engine import Ledger
from service.ledger.faults import is_transient
from service.settings import SettingsError

T = TypeVar("T")
log = structlog.get_logger(__name__)
PAUSE_S: Final = 1.0
BRIEFLY_S: Final = 2.0
# PostgreSQL's error codes, appendix A: invalid authorization, no such database, insufficient privilege.
_REFUSED: Final = ("28", "3D000", "42501")


async def reach(ledger: Ledger, work: Callable[[], Awaitable[T]], wait_s: float = BRIEFLY_S) -> T:
    """Do `work`, which may be done twice, again and again for `wait_s` seconds while no database answers.

    Raises SettingsError when none did, and at once when the database says no.
    """
    deadline = time.monotonic() + wait_s
    while True:
        try:
            return await work()
        except (OSError, DBAPIError) as error:
            why = _why(error)
            if _code(error).startswith(_REFUSED):
                raise SettingsError(f"STAGEBELL_DATABASE_URL: the database refused: {why}") from error
            if not is_transient(error):
                raise
            if ledger.is_sqlite or time.monotonic() > deadline:
                raise SettingsError(f"STAGEBELL_DATABASE_URL: no database answered: {why}") from error
            log.warning("database.waiting", error=why)
            await asyncio.sleep(PAUSE_S)


def _code(error: Exception) -> str:
    return str(getattr(getattr(error, "orig", None), "sqlstate", "") or "")


def _why(error: Exception) -> str:
    """The driver's own words, without statement and parameters."""
    said = str(getattr(error, "orig", None) or error)
    return said.partition("\n")[0] or type(error).__name__

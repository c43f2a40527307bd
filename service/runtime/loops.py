"""The common form of all loops: one round after the other, surviving errors."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog

from service.ledger.database.faults import is_transient

log = structlog.get_logger(__name__)
PAUSE_S: Final = 1.0


async def run_loop(name: str, one_round: Callable[[], Awaitable[Any]], stopping: asyncio.Event, **details: str) -> None:
    """Run `one_round` until `stopping`; after an error, which is logged under `name`, it waits first."""
    while not stopping.is_set():
        try:
            await one_round()
        except Exception as error:
            log_failure(name, error, **details)
            await asyncio.sleep(PAUSE_S)


def log_failure(name: str, error: Exception, **details: str) -> None:
    """Log what ended a round: an unavailable database is a warning, everything else an error for a person."""
    if is_transient(error):
        log.warning(f"{name}.database_unavailable", error=type(error).__name__, **details)
    else:
        log.error(f"{name}.failed", exc_info=error, **details)

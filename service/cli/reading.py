"""The ledger for commands that only read."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service.ledger.database.availability import when_available
from service.ledger.database.engine import Ledger
from service.ledger.database.schema import look_at
from service.opening import ledger_of
from service.settings import Settings


@asynccontextmanager
async def reading_ledger(settings: Settings) -> AsyncIterator[Ledger]:
    """A read-only connection to the ledger; raises SchemaError where its schema is not current."""
    ledger = ledger_of(settings, read_only=True)
    try:
        await when_available(ledger, lambda: look_at(ledger))
        yield ledger
    finally:
        await ledger.close()

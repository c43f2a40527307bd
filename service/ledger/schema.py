"""Brings the database to the current schema, once, however many processes start together."""

from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, inspect, text

from service.ledger.engine import Ledger
from service.ledger.key_state import settle_keys

MIGRATIONS: Final = Path(__file__).parent / "migrations"
ADVISORY_LOCK: Final = 5_748_219_377


def alembic_config(connection: Connection | None = None) -> Any:
    """Alembic's configuration without an ini file. Alembic is loaded only where there is something to migrate."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def revisions() -> list[str]:
    """All revisions, oldest first; their files are named by them."""
    return sorted(f.name.partition("_")[0] for f in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def _upgrade(connection: Connection, revision: str) -> None:
    from alembic import command

    command.upgrade(alembic_config(connection), revision)


async def migrate(ledger: Ledger, revision: str = "head") -> tuple[str | None, str | None]:
    """Upgrade; returns the revision before and after. Raises WrongKey."""
    await ledger.look()
    async with ledger.transaction() as connection:
        if not ledger.is_sqlite:
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"))
        before = await connection.run_sync(_current)
        if before != revisions()[-1]:
            await connection.run_sync(_upgrade, revision)
        after = await connection.run_sync(_current)
        if after == revisions()[-1]:
            await settle_keys(connection, ledger.keyring)
    return before, after


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return version

"""Brings the database to the current schema, once, however many processes start together."""

from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, insert, inspect, select, text

from service.ledger.engine import Ledger
from service.ledger.tables import meta

MIGRATIONS: Final = Path(__file__).parent / "migrations"
ADVISORY_LOCK: Final = 5_748_219_377
FINGERPRINT: Final = "secret_key_fingerprint"


class WrongKey(Exception):
    """The database was written with another SECRET_KEY; with this one, nothing sealed could be read."""


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
            await connection.run_sync(lambda sync: _check_key(sync, ledger.keyring.fingerprint))
    return before, after


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return version


def _check_key(connection: Connection, fingerprint: str) -> None:
    known = connection.execute(select(meta.c.value).where(meta.c.key == FINGERPRINT)).scalar_one_or_none()
    if known is None:
        connection.execute(insert(meta).values(key=FINGERPRINT, value=fingerprint))
    elif known != fingerprint:
        raise WrongKey(
            "STAGEBELL_SECRET_KEY is not the one this database was written with; nothing sealed could be read"
        )

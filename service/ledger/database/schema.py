"""Migrates the database to the current schema, by one process at a time."""

from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy import Connection, insert, inspect, select, text
from sqlalchemy.ext.asyncio.engine import AsyncConnection

from service.ledger.database import upgrading
from service.ledger.database.engine import Ledger
from service.ledger.database.listening import check_session
from service.ledger.database.tables import meta
from service.ledger.database.upgrading import DeferredStatements, SchemaError
from service.ledger.sealing.state import apply_state, settle_keys

log = structlog.get_logger(__name__)
MIGRATIONS: Final = Path(__file__).parents[1] / "migrations"
KEYS_LOCK: Final = 5_748_219_377
# Key of the newest revision that removed something: releases that do not know it cannot run on this schema.
CONTRACTED: Final = "schema_contracted"


class NewerSchema(SchemaError):
    """A newer release changed the schema in a way that is incompatible with this one."""


def alembic_config(connection: Connection | None = None, later: DeferredStatements | None = None) -> Any:
    """Alembic's configuration without an ini file. Alembic is imported only if there is something to migrate."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    config.attributes["later"] = later
    config.attributes["taken"] = _note_contraction
    return config


def revisions() -> list[str]:
    """All revisions, oldest first, from the names of their files."""
    return sorted(f.name.partition("_")[0] for f in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def _apply(connection: Connection, revision: str, later: DeferredStatements | None = None) -> None:
    from alembic import command

    command.upgrade(alembic_config(connection, later), revision)


def _note_contraction(ctx: Any, step: Any, **_: Any) -> None:
    """Alembic calls this after each step; if its `contracts` is True or this dialect's name, it is CONTRACTED."""
    if getattr(step.up_revision.module, "contracts", False) in (True, ctx.connection.dialect.name):
        ctx.connection.execute(meta.delete().where(meta.c.key == CONTRACTED))
        ctx.connection.execute(insert(meta).values(key=CONTRACTED, value=step.up_revision_id))


async def migrate(ledger: Ledger, revision: str = "head") -> tuple[str | None, str | None]:
    """Upgrade the schema; returns the revisions before and after.

    An older release runs on a newer schema as long as nothing was removed. Raises WrongKey, NewerSchema, and
    SchemaError if other transactions hold locks that a step needs.
    """
    await ledger.detect_pooler()
    if ledger.direct is not None:
        await check_session(ledger.direct)
    target = revisions()[-1] if revision == "head" else revision
    async with ledger.reading() as tx:
        before = await tx.connection.run_sync(_current)
        done = before is not None and not await upgrading.left(tx.connection) and (before >= target)
        if before is not None and before > revisions()[-1]:
            await _accept_newer(tx.connection, before)
    if not done:
        await (_upgrade_sqlite(ledger, target) if ledger.is_sqlite else _upgrade_postgres(ledger, target))
    after = before if done else target
    if after is not None and after >= revisions()[-1]:
        async with ledger.transaction() as tx:
            if not ledger.is_sqlite:
                # One process writes the first keys, the others read them.
                await tx.execute(text(f"SELECT pg_advisory_xact_lock({KEYS_LOCK})"))
            await settle_keys(tx)
    return before, after


async def look_at(ledger: Ledger) -> None:
    """Check the schema and the keys of a ledger that is opened for reading only. Raises SchemaError, WrongKey."""
    await ledger.detect_pooler()
    async with ledger.reading() as tx:
        schema = await tx.connection.run_sync(_current)
        if schema is None or schema < revisions()[-1]:
            raise SchemaError(
                f"the database's schema is {schema or 'empty'}, and this release reads {revisions()[-1]}: run"
                " `stagebell migrate` first"
            )
        if schema > revisions()[-1]:
            await _accept_newer(tx.connection, schema)
        await apply_state(tx)


async def _upgrade_sqlite(ledger: Ledger, target: str) -> None:
    async with ledger.transaction() as tx:
        await tx.connection.run_sync(_apply_missing, target)


def _apply_missing(connection: Connection, target: str) -> None:
    """Upgrade, unless another process did so while this one waited for the lock."""
    if (_current(connection) or "") < target:
        _apply(connection, target)


async def _upgrade_postgres(ledger: Ledger, target: str) -> None:
    assert ledger.direct is not None
    engine = ledger.direct.engine(patient=True)
    try:
        async with upgrading.alone(engine):
            async with engine.connect() as connection:
                current = await connection.run_sync(_current)
            if current is None:
                # Nobody writes to an empty database.
                async with engine.begin() as connection:
                    await connection.run_sync(_apply, target)
                return
            steps = [step for step in revisions() if current < step <= target]
            await upgrading.build_left(engine)
            await upgrading.take_steps(engine, steps, _apply)
    finally:
        await engine.dispose()


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return version


async def _accept_newer(connection: AsyncConnection, schema: str) -> None:
    ours = revisions()[-1]
    known = await connection.execute(select(meta.c.value).where(meta.c.key == CONTRACTED))
    if (contracted := known.scalar_one_or_none() or "") > ours:
        raise NewerSchema(
            f"the database's schema is {schema}, of a newer release; this one knows {ours}, and {contracted} removed"
            " what it needs: run the newer release, or restore the backup made before the upgrade"
        )
    log.warning("schema.newer", schema=schema, ours=ours, hint="a newer release runs, or ran, on this database")

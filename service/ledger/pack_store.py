"""The packs that orders began on, kept so that every process can go on by them."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from service.ledger.tables_admin import packs
from service.ledger.upsert import insert_missing


async def keep(connection: AsyncConnection, bundles: Mapping[tuple[str, str], bytes], now: datetime) -> None:
    """Keep these (workflow, version) unless they are kept already."""
    rows = [{"workflow": w, "version": v, "at": now, "files": files} for (w, v), files in bundles.items()]
    await insert_missing(connection, packs, rows)


async def find(connection: AsyncConnection, workflow: str, version: str) -> bytes | None:
    """The bundled files of one version."""
    query = select(packs.c.files).where(packs.c.workflow == workflow, packs.c.version == version)
    files: bytes | None = (await connection.execute(query)).scalar_one_or_none()
    return files

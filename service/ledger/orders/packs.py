"""The packs that orders are based on, stored so that every process can load each version."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select

from service.ledger.database.sets import upsert
from service.ledger.database.transaction import Transaction
from service.ledger.orders.tables import packs


async def store_packs(
    tx: Transaction, bundles: Mapping[tuple[str, str], bytes], checked_by: str, now: datetime
) -> None:
    """Store these (workflow, version), and the version of the rules that checked them last."""
    rows = [
        {"workflow": w, "version": v, "at": now, "files": files, "checked_by": checked_by}
        for (w, v), files in bundles.items()
    ]
    await upsert(tx, packs, rows, ("checked_by",), keys=("workflow", "version"))


async def checked(tx: Transaction, by: str) -> set[tuple[str, str]]:
    """The (workflow, version) that these rules have checked already."""
    query = select(packs.c.workflow, packs.c.version).where(packs.c.checked_by == by)
    return {(row.workflow, row.version) for row in await tx.execute(query)}


async def find(tx: Transaction, workflow: str, version: str) -> bytes | None:
    """The bundled files of one version; None if it is unknown."""
    query = select(packs.c.files).where(packs.c.workflow == workflow, packs.c.version == version)
    files: bytes | None = (await tx.execute(query)).scalar_one_or_none()
    return files


async def files_of_all(tx: Transaction) -> list[bytes]:
    """The bundled files of every version of every workflow that was ever used here."""
    return list((await tx.execute(select(packs.c.files))).scalars())


async def versions(tx: Transaction) -> list[tuple[str, str, datetime]]:
    """(workflow, version, first use) of every pack that was ever used here, newest first."""
    query = select(packs.c.workflow, packs.c.version, packs.c.at).order_by(packs.c.at.desc())
    return [(row.workflow, row.version, row.at) for row in await tx.execute(query)]

"""Marks rows whose people were greeted."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import update

from service.ledger.database.engine import padded
from service.ledger.database.transaction import Transaction
from service.ledger.lists.tables import list_rows


async def mark_greeted(tx: Transaction, row_ids: Collection[UUID]) -> None:
    """Mark these rows as greeted."""
    if row_ids:
        await tx.execute(update(list_rows).where(list_rows.c.id.in_(padded(row_ids))).values(asks=False))

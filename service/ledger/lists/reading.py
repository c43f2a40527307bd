"""Reads the rows of lists by pages, oldest first."""

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from sqlalchemy import Select, func, select

from service.domain.json_object import JsonObject
from service.keyring import Keyring
from service.ledger.database.engine import Ledger, padded
from service.ledger.database.transaction import Transaction
from service.ledger.lists.tables import LIST_ROW, list_batches, list_row_keys, list_rows
from service.ledger.orders.person_digests import person_digests
from service.ledger.orders.records import unseal_json

EXPORTED_AT_ONCE: Final = 1000


class StoredRow(Struct, frozen=True):
    """A row of a list. `added`: when it was added to the list."""

    id: UUID
    added: datetime
    values: JsonObject


class RowAnywhere(StoredRow, frozen=True):
    """A row with its list and order."""

    order_id: UUID
    list: str


def _rows() -> Select[Any]:
    taken = list_batches.c.taken_at
    query = select(list_rows.c.id, list_rows.c.order_id, list_rows.c.list, list_rows.c.sealed_row, taken)
    return query.join(list_batches, list_batches.c.id == list_rows.c.batch_id).where(taken.is_not(None))


def _opened(keyring: Keyring, row: Any) -> StoredRow:
    return StoredRow(row.id, row.taken_at, unseal_json(keyring, row.sealed_row, LIST_ROW.of(row.id)))


async def page(
    tx: Transaction,
    order_id: UUID,
    name: str,
    limit: int,
    *,
    after: UUID | None = None,
    since: datetime | None = None,
    before: datetime | None = None,
) -> list[StoredRow]:
    """Up to `limit` rows after `after`, added at or after `since` and before `before`."""
    query = _rows().where(list_rows.c.order_id == order_id, list_rows.c.list == name)
    if after is not None:
        query = query.where(list_rows.c.id > after)
    if since is not None:
        query = query.where(list_batches.c.taken_at >= since)
    if before is not None:
        query = query.where(list_batches.c.taken_at < before)
    return [_opened(tx.keyring, row) for row in await tx.execute(query.order_by(list_rows.c.id).limit(limit))]


async def all_rows(
    ledger: Ledger, order_id: UUID, name: str, since: datetime | None = None, before: datetime | None = None
) -> AsyncIterator[list[StoredRow]]:
    """All rows, some at a time, without holding a connection while the caller writes them out."""
    last: UUID | None = None
    while True:
        async with ledger.reading() as tx:
            rows = await page(tx, order_id, name, EXPORTED_AT_ONCE, after=last, since=since, before=before)
        if rows:
            yield rows
            last = rows[-1].id
        if len(rows) < EXPORTED_AT_ONCE:
            return


async def count(tx: Transaction, order_id: UUID, name: str) -> int:
    """The number of rows of a list."""
    query = select(func.count()).select_from(
        _rows().where(list_rows.c.order_id == order_id, list_rows.c.list == name).subquery()
    )
    return int((await tx.execute(query)).scalar_one())


async def count_stored(tx: Transaction, order_id: UUID, name: str, batch_id: UUID) -> int:
    """The number of rows of a batch that are stored so far."""
    theirs = list_rows.c.order_id == order_id, list_rows.c.list == name, list_rows.c.batch_id == batch_id
    return int((await tx.execute(select(func.count()).select_from(list_rows).where(*theirs))).scalar_one())


async def find_row(tx: Transaction, order_id: UUID, name: str, row_id: UUID) -> StoredRow | None:
    """One row; None if there is none."""
    query = _rows().where(list_rows.c.order_id == order_id, list_rows.c.list == name, list_rows.c.id == row_id)
    row = (await tx.execute(query)).one_or_none()
    return _opened(tx.keyring, row) if row else None


async def orders_asking(tx: Transaction, limit: int) -> Sequence[UUID]:
    """Orders with rows whose people have not been greeted yet."""
    asking = _rows().where(list_rows.c.asks).subquery()
    return (await tx.execute(select(asking.c.order_id).distinct().limit(limit))).scalars().all()


async def asking(tx: Transaction, order_ids: Collection[UUID], limit: int) -> list[RowAnywhere]:
    """Rows of these orders whose people have not been greeted yet, oldest first."""
    query = _rows().where(list_rows.c.asks, list_rows.c.order_id.in_(padded(order_ids)))
    return [_anywhere(tx.keyring, row) for row in await tx.execute(query.order_by(list_rows.c.id).limit(limit))]


def _anywhere(keyring: Keyring, row: Any) -> RowAnywhere:
    opened = _opened(keyring, row)
    return RowAnywhere(opened.id, opened.added, opened.values, row.order_id, row.list)


async def rows_of_person(tx: Transaction, addresses: Collection[str]) -> list[RowAnywhere]:
    """Rows with one of these addresses, without those that no event has added yet."""
    digests = person_digests(tx.keyring, addresses)
    theirs = select(list_row_keys.c.row_id).where(list_row_keys.c.digest.in_(padded(digests)))
    query = _rows().where(list_rows.c.id.in_(theirs)).order_by(list_rows.c.id)
    return [_anywhere(tx.keyring, row) for row in await tx.execute(query)] if digests else []

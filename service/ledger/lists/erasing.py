"""Erases the rows about a person, or all rows of an order."""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from sqlalchemy import delete, select, update

from service.domain.erasure import Traces
from service.ledger.database.engine import padded
from service.ledger.database.transaction import Transaction
from service.ledger.lists.tables import LIST_ROW, list_batches, list_row_keys, list_rows
from service.ledger.orders.person_digests import person_digests
from service.ledger.orders.records import unseal_json
from service.pacing import breathe

AT_ONCE: Final = 500


async def erase_rows_of_person(tx: Transaction, addresses: Iterable[str]) -> int:
    """Erase every row with one of these addresses, in all orders; returns how many."""
    digests = person_digests(tx.keyring, addresses)
    if not digests:
        return 0
    found = await tx.execute(
        select(list_row_keys.c.row_id).where(list_row_keys.c.digest.in_(padded(digests))).distinct()
    )
    return await _forget(tx, list(found.scalars()))


async def erase_rows_of_order(tx: Transaction, order_id: UUID, traces: Traces | None) -> int:
    """Erase the rows of an order that contain these traces of a person (None: all rows); returns how many."""
    last: UUID | None = None
    gone = 0
    while True:
        query = select(list_rows.c.id, list_rows.c.sealed_row).where(list_rows.c.order_id == order_id)
        query = query.where(list_rows.c.id > last) if last else query
        rows = (await tx.execute(query.order_by(list_rows.c.id).limit(AT_ONCE))).all()
        theirs = []
        for row in rows:
            await breathe()
            if traces is None or traces.named_in(
                unseal_json(tx.keyring, row.sealed_row, LIST_ROW.of(row.id)), exactly=True
            ):
                theirs.append(row.id)
        gone += await _forget(tx, theirs)
        if len(rows) < AT_ONCE:
            break
        last = rows[-1].id
    # A digest over rows would confirm to somebody who knows a row that it was among them.
    await tx.execute(update(list_batches).where(list_batches.c.order_id == order_id).values(digest=bytes(32)))
    return gone


async def _forget(tx: Transaction, row_ids: list[UUID]) -> int:
    for first in range(0, len(row_ids), AT_ONCE):
        wanted = padded(row_ids[first : first + AT_ONCE])
        await tx.execute(delete(list_row_keys).where(list_row_keys.c.row_id.in_(wanted)))
        await tx.execute(delete(list_rows).where(list_rows.c.id.in_(wanted)))
    return len(row_ids)

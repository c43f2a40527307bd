"""Finds orders whose first event is missing, for instance after a restore."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Struct
from sqlalchemy import select

from service.ledger.database.transaction import Transaction
from service.ledger.orders.records import unseal_json
from service.ledger.orders.tables import TIMELINE_DETAIL, orders, timeline

_MS: Final = 1000
_LINE: Final = (timeline.c.n, timeline.c.at, timeline.c.kind, timeline.c.sealed_detail)


class OrderWithoutBeginning(Struct, frozen=True):
    """An order whose first event was never received. `at`: when the first known event happened."""

    workflow: str
    order_id: str
    status: str
    at: datetime


async def without_beginning(
    tx: Transaction, since: datetime, starts: Mapping[str, frozenset[str]]
) -> Sequence[OrderWithoutBeginning]:
    """Orders received since then whose first event is missing, in the order of their arrival.

    `starts`: the starting statuses by workflow; an order with a later event of such a status has no gap.
    """
    query = (
        select(orders.c.id, orders.c.workflow, orders.c.order_id, orders.c.status, *_LINE)
        .join(timeline, timeline.c.order_id == orders.c.id)
        .where(orders.c.id >= _first_id(since), timeline.c.kind.in_(["adopted", "late_event"]))
        .order_by(orders.c.id, timeline.c.n)
    )
    found: dict[UUID, OrderWithoutBeginning] = {}
    for row in await tx.execute(query):
        if row.kind == "adopted":
            found[row.id] = OrderWithoutBeginning(row.workflow, row.order_id, row.status, row.at)
            continue
        detail = unseal_json(tx.keyring, row.sealed_detail, TIMELINE_DETAIL.of(row.id, row.n))
        if detail.get("status") in starts.get(row.workflow, frozenset()):
            found.pop(row.id, None)
    return list(found.values())


def _first_id(moment: datetime) -> UUID:
    """The lowest id made at this time: ids begin with the millisecond of their creation (RFC 9562, §5.7)."""
    return UUID(int=int(moment.timestamp() * _MS) << 80)

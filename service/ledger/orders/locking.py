"""Loads orders, with or without locks; locks are taken in the order of ids, so that writers never deadlock."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Integer, bindparam, literal_column, select, tuple_, update

from service.domain.order import Order, OrderRef
from service.domain.scopes import Scope, parties_of
from service.ledger.database.engine import padded
from service.ledger.database.listed import listed
from service.ledger.database.transaction import Transaction
from service.ledger.orders.inbox import InboxEntry, outcomes
from service.ledger.orders.records import UNREADABLE_RETRY, order_of, readable_order, state_of
from service.ledger.orders.scoping import of_order
from service.ledger.orders.tables import orders

# Built once, as building a statement costs more than sending it.
_STATE: Final = select(orders.c.id, orders.c.sealed_state)
_LOCK_NAMED: Final = (
    _STATE.where(tuple_(orders.c.workflow, orders.c.order_id).in_(bindparam("names", expanding=True)))
    .order_by(orders.c.id)
    .with_for_update()
)
_LOCK_BY_ID: Final = _STATE.where(listed(orders.c.id, "ids")).order_by(orders.c.id).with_for_update()
_LOCK_DUE: Final = (
    _STATE.where(orders.c.wake_at.is_not(None), orders.c.wake_at <= bindparam("now", type_=orders.c.wake_at.type))
    .order_by(orders.c.wake_at)
    .limit(bindparam("at_most", type_=Integer))
    .with_for_update(skip_locked=True)
)
_NEXT_WAKE: Final = select(orders.c.wake_at).where(orders.c.wake_at.is_not(None)).order_by(orders.c.wake_at).limit(1)


async def lock_named(tx: Transaction, names: Iterable[OrderRef]) -> dict[OrderRef, Order]:
    """The orders with these (workflow, order id), locked; those that do not exist are left out."""
    wanted = padded(sorted(set(names)))
    if not wanted:
        return {}
    found = [order_of(tx.keyring, row) for row in await tx.execute(_LOCK_NAMED, {"names": wanted})]
    return {o.ref: o for o in found}


async def lock_by_id(tx: Transaction, ids: Iterable[UUID]) -> dict[UUID, Order]:
    """The orders with these ids, locked; unreadable ones are left out."""
    wanted = padded(sorted(set(ids)))
    if not wanted:
        return {}
    return {o.id: o for o in _readable(tx, await tx.execute(_LOCK_BY_ID, {"ids": wanted}), [])}


async def lock_for_events(
    tx: Transaction, keys: Iterable[bytes], names: Iterable[OrderRef]
) -> tuple[dict[bytes, InboxEntry], dict[OrderRef, Order]]:
    """The inbox entries of these events and the orders that they concern, locked; missing ones are left out."""
    if tx.dialect.name != "postgresql":
        return await outcomes(tx, keys), await lock_named(tx, names)
    wanted = sorted(set(names))
    values = ([n.workflow for n in wanted], [n.reference for n in wanted], sorted(set(keys)))
    seen: dict[bytes, InboxEntry] = {}
    found: dict[OrderRef, Order] = {}
    for row in await tx.connection.exec_driver_sql(_FOR_EVENTS, values):
        if row.id is None:
            seen[row.key] = InboxEntry(row.outcome, "", row.attempts, row.content)
        else:
            order = state_of(tx.keyring, row.sealed_state, row.id)
            found[order.ref] = order
    return seen, found


# Both in one round trip. If another intake commits the same event or the same new order while this statement waits for
# a lock, the unique keys of inbox and orders make this transaction fail.
_FOR_EVENTS: Final = """WITH locked AS MATERIALIZED (
    SELECT id, sealed_state FROM orders
    WHERE (workflow, order_id) IN (SELECT * FROM unnest($1::text[], $2::text[]))
    ORDER BY id FOR UPDATE
)
SELECT id, sealed_state, NULL::bytea AS key, NULL::text AS outcome, NULL::integer AS attempts, NULL::bytea AS content
FROM locked
UNION ALL
SELECT NULL::uuid, NULL::bytea, key, outcome, attempts, content FROM inbox WHERE key = ANY($3::bytea[])
"""


def _readable(tx: Transaction, rows: Iterable[Any], unreadable: list[UUID]) -> Iterator[Order]:
    """The readable orders; ids of the others are added to `unreadable`, and logged."""
    for row in rows:
        if order := readable_order(tx.keyring, row):
            yield order
        else:
            unreadable.append(row.id)


async def lock_due(tx: Transaction, now: datetime, limit: int) -> list[Order]:
    """Orders with a due clock or escalation, longest due first, locked; orders locked by others are skipped.

    An unreadable one is postponed, so that it does not block others.
    """
    unreadable: list[UUID] = []
    found = list(_readable(tx, await tx.execute(_LOCK_DUE, {"now": now, "at_most": limit}), unreadable))
    await postpone(tx, unreadable, now + UNREADABLE_RETRY)
    return found


async def postpone(tx: Transaction, ids: Iterable[UUID], until: datetime) -> None:
    """Set when to look at orders again that cannot be decided now, for instance as their pack is not installed."""
    wanted = padded(ids)
    if wanted:
        await tx.execute(update(orders).where(orders.c.id.in_(wanted)).values(wake_at=until))


async def next_wake(tx: Transaction) -> datetime | None:
    """The earliest time at which an order has something due; None if there is none."""
    moment: datetime | None = (await tx.execute(_NEXT_WAKE)).scalar_one_or_none()
    return moment


async def find(tx: Transaction, workflow: str, order_id: str, *, scope: Scope) -> Order | None:
    """One order, not locked; None if there is none or the scope does not include it."""
    return await _found(tx, scope, orders.c.workflow == workflow, orders.c.order_id == order_id)


async def find_by_id(tx: Transaction, order_id: UUID, *, scope: Scope) -> Order | None:
    """One order, not locked; None if there is none or the scope does not include it."""
    return await _found(tx, scope, orders.c.id == order_id)


async def find_all(tx: Transaction, names: Iterable[OrderRef], *, scope: Scope) -> list[Order]:
    """The existing ones of these orders within the scope, not locked, oldest first."""
    wanted = padded(sorted(set(names)))
    if not wanted:
        return []
    named = tuple_(orders.c.workflow, orders.c.order_id).in_(wanted)
    query = _STATE.where(named, *of_order(tx, scope, orders.c.id, orders.c.workflow)).order_by(orders.c.id)
    found = [order_of(tx.keyring, row) for row in await tx.execute(query)]
    return [order for order in found if scope.has_people(parties_of(order))]


async def _found(tx: Transaction, scope: Scope, *which: ColumnElement[bool]) -> Order | None:
    query = _STATE.where(*which, *of_order(tx, scope, orders.c.id, orders.c.workflow))
    row = (await tx.execute(query)).one_or_none()
    order = order_of(tx.keyring, row) if row else None
    # The order's own state decides, as an older replica may have changed it without its index.
    return order if order is not None and scope.has_people(parties_of(order)) else None


async def wholes_of(tx: Transaction, parts: Iterable[OrderRef]) -> list[OrderRef]:
    """The wholes of these parts, as far as known; nothing is locked."""
    wanted = padded(sorted(set(parts)))
    if not wanted:
        return []
    return [OrderRef(row.parent_workflow, row.parent_order_id) for row in await tx.execute(_WHOLES, {"names": wanted})]


_WHOLES: Final = (
    select(orders.c.parent_workflow, orders.c.parent_order_id)
    .where(tuple_(orders.c.workflow, orders.c.order_id).in_(bindparam("names", expanding=True)))
    .where(orders.c.parent_order_id != literal_column("''"))
)

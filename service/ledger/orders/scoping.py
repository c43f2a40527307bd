"""Scopes as conditions of queries. Every query for orders takes a scope, so that none can omit it.

The parties of orders are stored in `order_parties` as keyed digests, written with the order and rebuilt for older
orders with the other indexes (`ledger/orders/attributes.py`).
"""

from collections.abc import Collection
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, exists, or_, select

from service.domain.order import Order, OrderRef
from service.domain.scopes import Party, Scope, parties_of
from service.keyring import Keyring
from service.ledger.database.engine import padded
from service.ledger.database.transaction import Transaction
from service.ledger.escalations.tables import escalations
from service.ledger.orders.tables import clocks, order_parties, orders

_AT_ONCE: Final = 500


def party_digest(keyring: Keyring, party: Party) -> bytes:
    """Digest for finding a party's orders."""
    return keyring.digest("party", party.audience, party.id)


def party_digests(keyring: Keyring, order: Order) -> frozenset[bytes]:
    """The digests of all parties of an order."""
    return frozenset(party_digest(keyring, party) for party in parties_of(order))


def of_order(
    tx: Transaction, scope: Scope, order_id: ColumnElement[Any], workflow: ColumnElement[str]
) -> list[ColumnElement[bool]]:
    """Conditions that exclude rows of orders outside of the scope; `order_id`, `workflow`: the rows' columns."""
    found: list[ColumnElement[bool]] = []
    if scope.workflows:
        found.append(workflow.in_(sorted(scope.workflows)))
    if scope.parties:
        digests = padded(sorted(party_digest(tx.keyring, party) for party in scope.parties))
        found.append(order_id.in_(select(order_parties.c.order_id).where(order_parties.c.digest.in_(digests))))
    if scope.teams:
        found.append(or_(*(_of_team(table, order_id, scope) for table in (escalations, clocks))))
    return found


def _of_team(table: Any, order_id: ColumnElement[Any], scope: Scope) -> ColumnElement[bool]:
    """A correlated subquery, so that only the escalations of the listed orders are read."""
    called = table.alias()
    return exists(select(called.c.id).where(called.c.order_id == order_id, called.c.team.in_(sorted(scope.teams))))


def of_team(tx: Transaction, scope: Scope, row: Any) -> list[ColumnElement[bool]]:
    """The same for rows that call a team, such as escalations: a scope with teams includes only its own."""
    limited = Scope(scope.workflows, frozenset(), scope.parties)
    found = of_order(tx, limited, row.order_id, row.workflow)
    return [*found, row.team.in_(sorted(scope.teams))] if scope.teams else found


async def visible(tx: Transaction, ids: Collection[UUID], *, scope: Scope) -> frozenset[UUID]:
    """The orders of these that are within the scope."""
    if scope.is_everything or not ids:
        return frozenset(ids)
    found: set[UUID] = set()
    wanted = sorted(ids)
    for first in range(0, len(wanted), _AT_ONCE):
        query = select(orders.c.id).where(orders.c.id.in_(padded(wanted[first : first + _AT_ONCE])))
        found |= set((await tx.execute(query.where(*of_order(tx, scope, orders.c.id, orders.c.workflow)))).scalars())
    return frozenset(found)


async def sees(tx: Transaction, order: Order, scope: Scope) -> bool:
    """Whether this order, in its present state, is within the scope."""
    if not (scope.has_workflow(order.workflow) and scope.has_people(parties_of(order))):
        return False
    return not scope.teams or bool(await visible(tx, [order.id], scope=Scope(teams=scope.teams)))


async def visible_refs(tx: Transaction, refs: Collection[OrderRef], *, scope: Scope) -> frozenset[OrderRef]:
    """The orders of these that are within the scope, by reference."""
    found: set[OrderRef] = set()
    for workflow in {ref.workflow for ref in refs if scope.has_workflow(ref.workflow)}:
        names = sorted(ref.reference for ref in refs if ref.workflow == workflow)
        query = select(orders.c.order_id).where(orders.c.workflow == workflow, orders.c.order_id.in_(padded(names)))
        rows = await tx.execute(query.where(*of_order(tx, scope, orders.c.id, orders.c.workflow)))
        found |= {OrderRef(workflow, reference) for reference in rows.scalars()}
    return frozenset(found)

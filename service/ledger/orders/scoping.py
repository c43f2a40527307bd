"""Scopes as conditions of queries: every question about orders is asked with one, so that none can forget it.

Whose an order is stands in `order_parties` as keyed digests, written with the order and made for orders of before
beside everything else (`ledger/orders/attributes.py`).
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
    """Finds the orders of a party."""
    return keyring.digest("party", party.audience, party.id)


def party_digests(keyring: Keyring, order: Order) -> frozenset[bytes]:
    """Of everybody whose order it is."""
    return frozenset(party_digest(keyring, party) for party in parties_of(order))


def of_order(
    tx: Transaction, scope: Scope, order_id: ColumnElement[Any], workflow: ColumnElement[str]
) -> list[ColumnElement[bool]]:
    """What keeps rows of other orders out; `order_id`, `workflow`: the columns that say whose a row is."""
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
    """Correlated, so that lists look at their own page's orders alone."""
    called = table.alias()
    return exists(select(called.c.id).where(called.c.order_id == order_id, called.c.team.in_(sorted(scope.teams))))


def of_team(tx: Transaction, scope: Scope, row: Any) -> list[ColumnElement[bool]]:
    """The same for rows of `row` that call a team, such as escalations: of a team's scope only its own."""
    limited = Scope(scope.workflows, frozenset(), scope.parties)
    found = of_order(tx, limited, row.order_id, row.workflow)
    return [*found, row.team.in_(sorted(scope.teams))] if scope.teams else found


async def visible(tx: Transaction, ids: Collection[UUID], *, scope: Scope) -> frozenset[UUID]:
    """Which of these orders may be seen."""
    if scope.is_everything or not ids:
        return frozenset(ids)
    found: set[UUID] = set()
    wanted = sorted(ids)
    for first in range(0, len(wanted), _AT_ONCE):
        query = select(orders.c.id).where(orders.c.id.in_(padded(wanted[first : first + _AT_ONCE])))
        found |= set((await tx.execute(query.where(*of_order(tx, scope, orders.c.id, orders.c.workflow)))).scalars())
    return frozenset(found)


async def sees(tx: Transaction, order: Order, scope: Scope) -> bool:
    """Whether this order, as it is now, may be seen."""
    if not (scope.has_workflow(order.workflow) and scope.has_people(parties_of(order))):
        return False
    return not scope.teams or bool(await visible(tx, [order.id], scope=Scope(teams=scope.teams)))


async def visible_refs(tx: Transaction, refs: Collection[OrderRef], *, scope: Scope) -> frozenset[OrderRef]:
    """Which of these orders may be seen, by how others name them."""
    found: set[OrderRef] = set()
    for workflow in {ref.workflow for ref in refs if scope.has_workflow(ref.workflow)}:
        names = sorted(ref.reference for ref in refs if ref.workflow == workflow)
        query = select(orders.c.order_id).where(orders.c.workflow == workflow, orders.c.order_id.in_(padded(names)))
        rows = await tx.execute(query.where(*of_order(tx, scope, orders.c.id, orders.c.workflow)))
        found |= {OrderRef(workflow, reference) for reference in rows.scalars()}
    return frozenset(found)

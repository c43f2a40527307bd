"""Which order an incoming message is about: the order of the message it answers, else the one last notified there.

A message may be about several orders at once (`bundle`); a free-text answer to one cannot be matched with certainty.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from sqlalchemy import bindparam, exists, literal, select

from service.domain.address_keys import both_forms
from service.domain.planning import bundle_of
from service.ledger.columns import literal_in
from service.ledger.database.engine import padded
from service.ledger.database.transaction import Transaction
from service.ledger.messages.tables import messages
from service.ledger.orders.records import UNREADABLE, order_of
from service.ledger.orders.tables import orders
from service.ledger.people.erasing import open_orders_of_person, orders_of_person

# States in which the reader has the message, or may have it.
_LEFT: Final = ("sent", "delivered", "read", "undelivered", "unknown")
# The longest time that a message waits for others to be bundled with.
_LONGEST_BUNDLE: Final = timedelta(hours=24)


class OrderMatch(Struct, frozen=True):
    """The matching order. `is_sure`: whether free text may count as a reply there; `taps`: whether button taps may."""

    order_id: UUID
    is_sure: bool = True
    taps: bool = True


async def find_order(tx: Transaction, channel: str, address: str, thread: str) -> OrderMatch | None:
    """The order of the answered message (`thread`: its provider id), else the one the person was last notified of.

    If there are several open orders and none was notified there, the newest, with `is_sure` false; likewise if the
    answered message is unknown to us.
    """
    if thread and (answered := await _answered(tx, address, thread)):
        return answered
    candidates = await open_orders_of_person(tx, address)
    if not candidates:
        return None
    is_one = len(candidates) == 1
    # Ids are in the order of time (UUID version 7).
    found = await _last_told(tx, channel, address, candidates) or OrderMatch(candidates[-1], is_sure=is_one)
    return OrderMatch(found.order_id, is_sure=False, taps=False) if thread and not is_one else found


async def is_shared_bundle(tx: Transaction, message_id: UUID) -> bool:
    """Whether messages of other orders were bundled into this one."""
    query = select(messages.c.order_id, messages.c.lane, messages.c.sent_at).where(messages.c.id == message_id)
    row = (await tx.execute(query)).one_or_none()
    return row is not None and await _is_shared(tx, row)


async def _is_shared(tx: Transaction, row: Any) -> bool:
    """Whether it is a bundle over several orders. Bundles share a lane; other lanes are one order's."""
    sent_at: datetime | None = row.sent_at
    if sent_at is None:
        return False
    others = exists(
        select(literal(1)).where(
            messages.c.lane == row.lane,
            messages.c.order_id != row.order_id,
            literal_in(messages.c.state, "bundled"),
            messages.c.created_at <= sent_at,
            messages.c.created_at > sent_at - _LONGEST_BUNDLE,
        )
    )
    return bool((await tx.execute(select(others))).scalar_one())


async def _answered(tx: Transaction, address: str, thread: str) -> OrderMatch | None:
    """Looked up by the person's orders, as messages are indexed by order."""
    query = select(messages.c.order_id, messages.c.lane, messages.c.sent_at).where(
        messages.c.order_id.in_(orders_of_person(tx.keyring, address)), messages.c.provider_id == thread
    )
    row = (await tx.execute(query.limit(1))).one_or_none()
    return OrderMatch(row.order_id, is_sure=not await _is_shared(tx, row)) if row else None


async def _last_told(tx: Transaction, channel: str, address: str, candidates: Sequence[UUID]) -> OrderMatch | None:
    lanes = await _lanes(tx, channel, address, candidates)
    values = {"lanes": padded(sorted(lanes)), "ids": padded(list(candidates))}
    row = (await tx.execute(_LAST_TOLD, values)).first()
    return OrderMatch(row.order_id, is_sure=not await _is_shared(tx, row)) if row else None


async def _lanes(tx: Transaction, channel: str, address: str, candidates: Collection[UUID]) -> set[bytes]:
    """The lanes of messages of these orders to this address: each order's own, and those of bundles."""
    names = {order_id.hex for order_id in candidates}
    query = select(orders.c.id, orders.c.workflow, orders.c.sealed_state).where(
        orders.c.id.in_(padded(list(candidates)))
    )
    for row in await tx.execute(query):
        try:
            names.add(bundle_of(row.workflow, order_of(tx.keyring, row).brand))
        except UNREADABLE:
            continue
    return {tx.keyring.digest("lane", name, channel, form) for name in names for form in both_forms(address)}


_LAST_TOLD: Final = (
    select(messages.c.order_id, messages.c.lane, messages.c.sent_at)
    .where(
        messages.c.lane.in_(bindparam("lanes", expanding=True)),
        messages.c.order_id.in_(bindparam("ids", expanding=True)),
        messages.c.sent_at.is_not(None),
        literal_in(messages.c.state, *_LEFT),
    )
    .order_by(messages.c.sent_at.desc(), messages.c.order_id.desc())
    .limit(1)
)

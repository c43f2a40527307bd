"""Which order is meant by somebody who writes: the one whose message they answered, else the one last told of there."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from msgspec import Struct
from sqlalchemy import bindparam, func, select

from service.domain.address_keys import both_forms
from service.ledger.columns import literal_in
from service.ledger.database.engine import padded
from service.ledger.database.transaction import Transaction
from service.ledger.messages.tables import messages
from service.ledger.orders.tables import orders
from service.ledger.people.erasing import open_orders_of_person, orders_of_person

# The reader has it, or may have it.
_LEFT: Final = ("sent", "delivered", "read", "undelivered", "unknown")


class Found(Struct, frozen=True):
    """The order that is meant; `is_sure`: whether words may count there."""

    order_id: UUID
    is_sure: bool = True


async def find_order(tx: Transaction, channel: str, address: str, thread: str) -> Found | None:
    """By the provider's name of the message that was answered (`thread`), else by what the person was told last.

    Of several orders that were told nothing there, the newest; which of them is meant, nobody can be sure.
    """
    if thread and (answered := await _answered(tx, address, thread)):
        return Found(answered)
    candidates = await open_orders_of_person(tx, address)
    if not candidates:
        return None
    if last := await _last_told(tx, channel, address, candidates):
        return Found(last)
    # Ids are in the order of time.
    return Found(candidates[-1], is_sure=len(candidates) == 1)


async def _answered(tx: Transaction, address: str, thread: str) -> UUID | None:
    """By way of the person's orders, of whose messages there is an index."""
    query = select(messages.c.order_id).where(
        messages.c.order_id.in_(orders_of_person(tx.keyring, address)), messages.c.provider_id == thread
    )
    found: UUID | None = (await tx.execute(query.limit(1))).scalar_one_or_none()
    return found


async def _last_told(tx: Transaction, channel: str, address: str, candidates: Sequence[UUID]) -> UUID | None:
    lanes = [
        tx.keyring.digest("lane", order_id.hex, channel, form)
        for order_id in candidates
        for form in both_forms(address)
    ]
    row = (await tx.execute(_LAST_TOLD, {"lanes": padded(sorted(lanes))})).first()
    return row.order_id if row else None


_LAST_TOLD: Final = (
    select(messages.c.order_id, func.max(messages.c.sent_at).label("told"))
    .join(orders, orders.c.id == messages.c.order_id)
    .where(
        messages.c.lane.in_(bindparam("lanes", expanding=True)),
        messages.c.sent_at.is_not(None),
        literal_in(messages.c.state, *_LEFT),
    )
    .group_by(messages.c.order_id)
    .order_by(func.max(messages.c.sent_at).desc(), messages.c.order_id.desc())
    .limit(1)
)

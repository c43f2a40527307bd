"""Records causes, sealed: events in their inbox row, other causes in a table of their own."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, update

from service.domain.causes import Cause, EventReceived
from service.domain.draft import Decision
from service.domain.order import Order
from service.domain.recorded import encoded_cause, encoded_event, kind_of
from service.keyring import Keyring
from service.ledger.database.engine import new_uuid
from service.ledger.database.sets import NewRow
from service.ledger.database.transaction import Transaction
from service.ledger.orders.inbox import Recorded
from service.ledger.orders.tables import INBOX_EVENT, RECORDED_CAUSE, causes, inbox


def recorded_event(
    keyring: Keyring, key: bytes, before: Order | None, cause: EventReceived, decision: Decision
) -> Recorded:
    """The recorded event for the inbox row of this key."""
    sealed = keyring.seal(encoded_event(cause, decision), INBOX_EVENT.of(key))
    return Recorded(decision.order.id, before.entries if before else 0, sealed)


def cause_row(keyring: Keyring, before: Order, cause: Cause) -> NewRow | None:
    """The row of a cause that is recorded here; None for events (see inbox) and outcomes (see its message)."""
    kind = kind_of(cause)
    if not kind:
        return None
    row_id = new_uuid()
    return {
        "id": row_id,
        "order_id": before.id,
        "timeline_n": before.entries,
        "at": cause.at,
        "kind": kind,
        "sealed_cause": keyring.seal(encoded_cause(cause), RECORDED_CAUSE.of(row_id)),
    }


async def erase(tx: Transaction, order_id: UUID) -> int:
    """Delete an order's recorded causes; returns how many. Its history cannot be replayed afterwards."""
    kept = inbox.c.order_id == order_id, inbox.c.sealed_event.is_not(None)
    events = await tx.execute(update(inbox).where(*kept).values(sealed_event=None))
    others = await tx.execute(delete(causes).where(causes.c.order_id == order_id))
    return int(events.rowcount) + int(others.rowcount)


async def delete_before(tx: Transaction, before: datetime) -> None:
    """Delete causes older than the stored events, as they could not be replayed without those."""
    await tx.execute(delete(causes).where(causes.c.at < before))

"""Causes are kept sealed as they are decided: an event in its inbox row, what is neither event nor receipt here."""

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
    """What the inbox row of this key keeps of the event."""
    sealed = keyring.seal(encoded_event(cause, decision), INBOX_EVENT.of(key))
    return Recorded(decision.order.id, before.entries if before else 0, sealed)


def cause_row(keyring: Keyring, before: Order, cause: Cause) -> NewRow | None:
    """The row of a cause that is recorded by itself; an event is in the inbox, an outcome in its message's history."""
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
    """Forget what this order was decided by; how many causes. It can be played no more."""
    kept = inbox.c.order_id == order_id, inbox.c.sealed_event.is_not(None)
    events = await tx.execute(update(inbox).where(*kept).values(sealed_event=None))
    others = await tx.execute(delete(causes).where(causes.c.order_id == order_id))
    return int(events.rowcount) + int(others.rowcount)


async def forget(tx: Transaction, before: datetime) -> None:
    """Let go of causes as old as the events that are let go of: what is left could not be played."""
    await tx.execute(delete(causes).where(causes.c.at < before))

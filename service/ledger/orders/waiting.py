"""Waiting events: of parts whose whole is not known yet. They stay in sequence and wait for an hour at most.

Whoever decides about a part locks these rows after the orders, so that later events do not overtake waiting ones.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from sqlalchemy import delete, select, update

from service.domain.order import OrderRef
from service.keyring import Keyring, SealBroken
from service.ledger.database.engine import new_uuid, padded
from service.ledger.database.sets import NewRow, Rows, Writes
from service.ledger.database.transaction import Transaction
from service.ledger.orders.tables import WAITING_MESSAGE, waiting_events

WAITED_FOR: Final = timedelta(hours=1)
# The whole may be created at the same moment in another transaction, which then wakes nobody, so it is looked up again.
FIRST_LOOK: Final = timedelta(seconds=1)
LONGEST_BETWEEN_LOOKS: Final = timedelta(minutes=1)
_MOST_DOUBLINGS: Final = 6


class WaitingEvent(Struct, frozen=True):
    """An event that waits until `until` at most. `looks`: how often its whole was looked up; `plain`: as received."""

    id: UUID
    key: bytes
    order: bytes
    whole: bytes
    until: datetime
    looks: int
    plain: bytes


def digest_of(keyring: Keyring, ref: OrderRef) -> bytes:
    """The digest by which an order's waiting events are found."""
    return keyring.digest("waiting", *ref)


def row_of(keyring: Keyring, key: bytes, order: bytes, whole: bytes, plain: bytes, now: datetime) -> NewRow:
    """The row of an event that starts to wait."""
    row_id = new_uuid()
    return {
        "id": row_id,
        "key": key,
        "order_digest": order,
        "whole_digest": whole,
        "until_at": now + WAITED_FOR,
        "look_at": now + FIRST_LOOK,
        "looks": 0,
        "sealed_message": keyring.seal(plain, WAITING_MESSAGE.of(row_id)),
    }


def store_waiting(writes: Writes, rows: Rows) -> None:
    """Have these events stored as waiting."""
    writes.insert(waiting_events, rows)


async def first_of(tx: Transaction, orders: Iterable[bytes]) -> dict[bytes, bytes]:
    """By order, the first waiting event as received; all waiting events of these orders are locked."""
    wanted = padded(sorted(set(orders)))
    if not wanted:
        return {}
    query = select(waiting_events).where(waiting_events.c.order_digest.in_(wanted)).order_by(waiting_events.c.id)
    first: dict[bytes, Any] = {}
    for row in await tx.execute(query.with_for_update()):
        first.setdefault(row.order_digest, row)
    return {order: _waiting(tx, row).plain for order, row in first.items()}


async def retry_now(tx: Transaction, wholes: Iterable[bytes], now: datetime) -> int:
    """These wholes exist now: have the events that wait for them tried at once; returns how many."""
    wanted = padded(sorted(set(wholes)))
    if not wanted:
        return 0
    # Locked by id first, in the same sequence as by deciding about their orders.
    theirs = select(waiting_events.c.id).where(waiting_events.c.whole_digest.in_(wanted))
    ids = (await tx.execute(theirs.order_by(waiting_events.c.id).with_for_update())).scalars().all()
    if ids:
        await tx.execute(update(waiting_events).where(waiting_events.c.id.in_(padded(ids))).values(look_at=now))
    return len(ids)


async def next_retry(tx: Transaction) -> datetime | None:
    """When waiting events are to be tried next; None if there are none."""
    query = select(waiting_events.c.look_at).order_by(waiting_events.c.look_at).limit(1)
    moment: datetime | None = (await tx.execute(query)).scalar_one_or_none()
    return moment


async def due(tx: Transaction, now: datetime, at_most: int) -> list[bytes]:
    """Orders whose waiting events are to be tried now, longest due first."""
    query = select(waiting_events.c.order_digest).where(waiting_events.c.look_at <= now)
    found = (await tx.execute(query.order_by(waiting_events.c.look_at).limit(at_most))).scalars()
    return list(dict.fromkeys(found))


async def events_of(tx: Transaction, order: bytes, at_most: int, *, lock: bool = False) -> list[WaitingEvent]:
    """The waiting events of an order, oldest first; raises SealBroken."""
    query = select(waiting_events).where(waiting_events.c.order_digest == order)
    query = query.order_by(waiting_events.c.id).limit(at_most)
    rows = await tx.execute(query.with_for_update() if lock else query)
    return [_waiting(tx, row) for row in rows]


def _waiting(tx: Transaction, row: Any) -> WaitingEvent:
    plain = tx.keyring.unseal(row.sealed_message, WAITING_MESSAGE.of(row.id))
    return WaitingEvent(row.id, row.key, row.order_digest, row.whole_digest, row.until_at, row.looks, plain)


async def readable_of(tx: Transaction, order: bytes) -> list[WaitingEvent]:
    """The readable waiting events of an order, locked; unreadable ones wait until their key is set."""
    query = select(waiting_events).where(waiting_events.c.order_digest == order).order_by(waiting_events.c.id)
    found = []
    for row in await tx.execute(query.with_for_update()):
        with suppress(SealBroken):
            found.append(_waiting(tx, row))
    return found


async def postpone(tx: Transaction, order: bytes, now: datetime) -> None:
    """Postpone an order's events that cannot be decided now, so that they block no others."""
    query = update(waiting_events).where(waiting_events.c.order_digest == order)
    await tx.execute(query.values(look_at=now + LONGEST_BETWEEN_LOOKS))


async def drop(tx: Transaction, ids: Iterable[UUID]) -> None:
    """Delete these waiting events."""
    if wanted := padded(ids):
        await tx.execute(delete(waiting_events).where(waiting_events.c.id.in_(wanted)))


async def retry_later(tx: Transaction, order: bytes, waits: Sequence[WaitingEvent], now: datetime) -> None:
    """The whole is still unknown: try again after an increasing delay, and when the time is over."""
    looks = max(w.looks for w in waits) + 1
    again = now + min(FIRST_LOOK * 2 ** min(looks, _MOST_DOUBLINGS), LONGEST_BETWEEN_LOOKS)
    until = min(w.until for w in waits)
    query = update(waiting_events).where(waiting_events.c.order_digest == order)
    await tx.execute(query.values(look_at=max(min(again, until), now + FIRST_LOOK), looks=looks))


async def all_readable(tx: Transaction) -> list[bytes]:
    """All readable waiting events, as received."""
    found = []
    for row in await tx.execute(select(waiting_events)):
        with suppress(SealBroken):
            found.append(_waiting(tx, row).plain)
    return found


async def delete_naming(tx: Transaction, names: Callable[[bytes], bool]) -> int:
    """Delete waiting events that name this person; returns how many. Unreadable events cannot be searched."""
    gone = []
    for row in (await tx.execute(select(waiting_events))).all():
        try:
            plain = tx.keyring.unseal(row.sealed_message, WAITING_MESSAGE.of(row.id))
        except SealBroken:
            continue
        if names(plain):
            gone.append(row.id)
    await drop(tx, gone)
    return len(gone)

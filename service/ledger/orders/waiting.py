"""Events that wait: their order is a part of one that is not known yet. They keep their order, and none waits for ever.

Whoever decides about a part locks these rows after the orders, so that nothing overtakes what waits.
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
# Somebody may make the whole at the same moment in another transaction: then nobody says so, and it is looked after.
FIRST_LOOK: Final = timedelta(seconds=1)
LONGEST_BETWEEN_LOOKS: Final = timedelta(minutes=1)
_MOST_DOUBLINGS: Final = 6


class Waiting(Struct, frozen=True):
    """An event that waits until then at most. `looks`: how often its whole was looked up; `plain`: as received."""

    id: UUID
    key: bytes
    order: bytes
    whole: bytes
    until: datetime
    looks: int
    plain: bytes


def digest_of(keyring: Keyring, ref: OrderRef) -> bytes:
    """By what the events of an order are found."""
    return keyring.digest("waiting", *ref)


def row_of(keyring: Keyring, key: bytes, order: bytes, whole: bytes, plain: bytes, now: datetime) -> NewRow:
    """The row of an event that begins to wait."""
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


def keep(writes: Writes, rows: Rows) -> None:
    """Have these events wait."""
    writes.insert(waiting_events, rows)


async def first_of(tx: Transaction, orders: Iterable[bytes]) -> dict[bytes, bytes]:
    """Of these orders, those of which events wait, each with its first, as it came; all of theirs are locked."""
    wanted = padded(sorted(set(orders)))
    if not wanted:
        return {}
    query = select(waiting_events).where(waiting_events.c.order_digest.in_(wanted)).order_by(waiting_events.c.id)
    first: dict[bytes, Any] = {}
    for row in await tx.execute(query.with_for_update()):
        first.setdefault(row.order_digest, row)
    return {order: _waiting(tx, row).plain for order, row in first.items()}


async def look_now(tx: Transaction, wholes: Iterable[bytes], now: datetime) -> int:
    """These wholes have come: what waits for them need not wait any longer; how many events."""
    wanted = padded(sorted(set(wholes)))
    if not wanted:
        return 0
    # Locked by their ids first, as whoever decides about their orders locks them.
    theirs = select(waiting_events.c.id).where(waiting_events.c.whole_digest.in_(wanted))
    ids = (await tx.execute(theirs.order_by(waiting_events.c.id).with_for_update())).scalars().all()
    if ids:
        await tx.execute(update(waiting_events).where(waiting_events.c.id.in_(padded(ids))).values(look_at=now))
    return len(ids)


async def next_look(tx: Transaction) -> datetime | None:
    """When something that waits is to be looked at next."""
    query = select(waiting_events.c.look_at).order_by(waiting_events.c.look_at).limit(1)
    moment: datetime | None = (await tx.execute(query)).scalar_one_or_none()
    return moment


async def due(tx: Transaction, now: datetime, at_most: int) -> list[bytes]:
    """Orders whose events are to be looked at now, longest due first."""
    query = select(waiting_events.c.order_digest).where(waiting_events.c.look_at <= now)
    found = (await tx.execute(query.order_by(waiting_events.c.look_at).limit(at_most))).scalars()
    return list(dict.fromkeys(found))


async def events_of(tx: Transaction, order: bytes, at_most: int, *, lock: bool = False) -> list[Waiting]:
    """What waits of an order, oldest first; raises SealBroken."""
    query = select(waiting_events).where(waiting_events.c.order_digest == order)
    query = query.order_by(waiting_events.c.id).limit(at_most)
    rows = await tx.execute(query.with_for_update() if lock else query)
    return [_waiting(tx, row) for row in rows]


def _waiting(tx: Transaction, row: Any) -> Waiting:
    plain = tx.keyring.unseal(row.sealed_message, WAITING_MESSAGE.of(row.id))
    return Waiting(row.id, row.key, row.order_digest, row.whole_digest, row.until_at, row.looks, plain)


async def opened_of(tx: Transaction, order: bytes) -> list[Waiting]:
    """What waits of an order and opens, locked; what does not waits for its key."""
    query = select(waiting_events).where(waiting_events.c.order_digest == order).order_by(waiting_events.c.id)
    found = []
    for row in await tx.execute(query.with_for_update()):
        with suppress(SealBroken):
            found.append(_waiting(tx, row))
    return found


async def put_off(tx: Transaction, order: bytes, now: datetime) -> None:
    """This order's events cannot be decided now: they are retried later, and block no others."""
    query = update(waiting_events).where(waiting_events.c.order_digest == order)
    await tx.execute(query.values(look_at=now + LONGEST_BETWEEN_LOOKS))


async def drop(tx: Transaction, ids: Iterable[UUID]) -> None:
    """These wait no longer."""
    if wanted := padded(ids):
        await tx.execute(delete(waiting_events).where(waiting_events.c.id.in_(wanted)))


async def look_later(tx: Transaction, order: bytes, waits: Sequence[Waiting], now: datetime) -> None:
    """Nothing has come for this order yet: it is looked at again, less and less often, and when its time is over."""
    looks = max(w.looks for w in waits) + 1
    again = now + min(FIRST_LOOK * 2 ** min(looks, _MOST_DOUBLINGS), LONGEST_BETWEEN_LOOKS)
    until = min(w.until for w in waits)
    query = update(waiting_events).where(waiting_events.c.order_digest == order)
    await tx.execute(query.values(look_at=max(min(again, until), now + FIRST_LOOK), looks=looks))


async def opened(tx: Transaction) -> list[bytes]:
    """All that waits, as it came; what does not open is left out."""
    found = []
    for row in await tx.execute(select(waiting_events)):
        with suppress(SealBroken):
            found.append(_waiting(tx, row).plain)
    return found


async def forget(tx: Transaction, names: Callable[[bytes], bool]) -> int:
    """Drop waiting events that name this person; returns how many. Events that do not open cannot be searched."""
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

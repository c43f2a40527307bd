"""The outbox: outgoing messages, written with their cause, deleted once they are confirmed."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace
from sqlalchemy import ColumnElement, Integer, Select, and_, bindparam, case, delete, func, or_, select, text, update

from service.broker.port import Destination, destination_of
from service.domain.json_object import JsonObject
from service.ledger.database.engine import new_uuid, padded
from service.ledger.database.listed import listed
from service.ledger.database.sets import Writes
from service.ledger.database.transaction import Transaction
from service.ledger.messages import parcels
from service.ledger.messages.tables import outbox

LEASE: Final = timedelta(seconds=30)
# A send that takes longer is abandoned, as after its lease another process may send the message, too.
SEND_WITHIN_S: Final = LEASE.total_seconds() - 5


CLOUDEVENT: Final = "application/cloudevents+json"


class OutboxMessage(Struct, frozen=True):
    """A message for the broker or a team; `message_id` stays the same however often it is published.

    Nobody publishes it before `hold_until`. Messages of one `lane` leave one after the other, in the order in which
    they were written; one that is held gives way to a later one `about` the same thing.
    """

    exchange: str
    routing_key: str
    message_id: str
    body: bytes
    content_type: str = CLOUDEVENT
    headers: JsonObject = {}
    id: UUID | None = None
    hold_until: datetime | None = None
    lane: str = ""
    about: str = ""
    attempts: int = 0
    created: datetime | None = None


async def put(tx: Transaction, messages: Iterable[OutboxMessage], now: datetime) -> None:
    """Queue messages in the transaction of their cause."""
    writes = Writes()
    await add(tx, writes, messages, now)
    await writes.run(tx)


async def add(tx: Transaction, writes: Writes, messages: Iterable[OutboxMessage], now: datetime) -> None:
    """As `put`, with the other writes of the unit of work."""
    messages = _last_held(messages)
    for m in messages:
        if m.about:
            await _postpone(tx, m)
    rows = [
        {
            "id": new_uuid(),
            "exchange": m.exchange,
            "routing_key": m.routing_key,
            "message_id": m.message_id,
            "content_type": m.content_type,
            "headers": msgspec.json.encode(m.headers).decode(),
            "body": m.body,
            "created_at": now,
            "leased_until": parcels.LEASED_FOR_EVER if m.content_type == parcels.CONTENT_TYPE else m.hold_until,
            "held_until": m.hold_until,
            "lane": m.lane,
        }
        for m in messages
    ]
    writes.insert(outbox, rows)


def parcelled(messages: Iterable[OutboxMessage]) -> list[OutboxMessage]:
    """The same messages, grouped by destination into parcels; each may consist of key, id and body only."""
    ways: dict[Destination, list[OutboxMessage]] = {}
    for m in messages:
        ways.setdefault(destination_of(m.exchange, m.routing_key), []).append(m)
    found = []
    for (exchange, key), going in ways.items():
        for first in range(0, len(going), parcels.MOST):
            together = going[first : first + parcels.MOST]
            found += together if len(together) == 1 else [OutboxMessage(exchange, key, "", _packed(together), _PARCEL)]
    return found


_PARCEL: Final = parcels.CONTENT_TYPE


def _packed(messages: Iterable[OutboxMessage]) -> bytes:
    return parcels.pack(parcels.Packed(m.routing_key, m.message_id, Raw(m.body)) for m in messages)


def opened(message: OutboxMessage) -> list[OutboxMessage]:
    """The messages of a row, each with the row's id."""
    if message.content_type != _PARCEL:
        return [message]
    return [
        replace(
            message,
            routing_key=p.routing_key,
            message_id=p.message_id,
            body=bytes(p.body),
            content_type=CLOUDEVENT,
        )
        for p in parcels.unpack(message.body)
    ]


def _last_held(messages: Iterable[OutboxMessage]) -> list[OutboxMessage]:
    """Without those held that a later one of the same batch takes the place of."""
    kept: list[OutboxMessage] = []
    for m in messages:
        if m.about:
            kept = [k for k in kept if k.hold_until is None or (k.lane, k.about) != (m.lane, m.about)]
        kept.append(m)
    return kept


async def _postpone(tx: Transaction, message: OutboxMessage) -> None:
    """Drop held messages about the same subject that nothing has claimed since."""
    await tx.execute(
        delete(outbox).where(
            outbox.c.lane == message.lane,
            outbox.c.message_id.startswith(f"{message.about}.", autoescape=True),
            outbox.c.held_until == outbox.c.leased_until,
        )
    )


def _is_first(now: ColumnElement[datetime]) -> ColumnElement[bool]:
    """Whether nothing older of the same lane is still to go; what is held for quiet hours lets others pass."""
    older = outbox.alias("older")
    waits = select(older.c.id).where(
        text("older.lane <> ''"),  # in the statement's own text, as the partial index has it
        older.c.lane == outbox.c.lane,
        older.c.id < outbox.c.id,
        or_(older.c.held_until.is_(None), older.c.held_until <= now),
    )
    return or_(outbox.c.lane == "", ~waits.exists())


async def claim(
    tx: Transaction, now: datetime, limit: int, *, but: Collection[Destination] = ()
) -> list[OutboxMessage]:
    """The oldest messages that nobody else is publishing, leased; none that go one of the ways `but`.

    Those that were refused before come last. Of parcels what is in them, of as many as make up `limit`, or one.
    """
    values: dict[str, Any] = {"now": now, "at_most": limit, **_busy(but)}
    claimed: list[OutboxMessage] = []
    for row in (await tx.execute(_waiting(len(but)), values)).all():
        if len(claimed) >= limit:
            break
        claimed += opened(outbox_message_of(row))
    if claimed:
        ids = padded(sorted({m.id for m in claimed if m.id}))
        await tx.execute(_LEASE, {"ids": ids, "until": now + LEASE, "owner": tx.owner})
    return claimed


async def is_any_waiting(tx: Transaction, now: datetime, *, but: Collection[Destination] = ()) -> bool:
    """Whether there is something to claim; costs less than to claim nothing."""
    return (await tx.execute(_is_waiting(len(but)), {"now": now, **_busy(but)})).first() is not None


def _busy(but: Collection[Destination]) -> dict[str, str]:
    values: dict[str, str] = {}
    for n, (exchange, key) in enumerate(sorted(but)):
        values |= {f"exchange_{n}": exchange, f"key_{n}": key, f"below_{n}": f"{key}."}
    return values


IS_PARCEL: Final = outbox.c.leased_until == parcels.LEASED_FOR_EVER
_NOW: Final = bindparam("now", type_=outbox.c.leased_until.type)


@lru_cache(maxsize=64)
def _waiting(busy: int) -> Select[Any]:
    """What may leave, but by so many busy destinations; built once, as building costs more than running."""
    return (
        select(outbox)
        .where(_may_leave(busy))
        .order_by(outbox.c.attempts, outbox.c.id)
        .limit(bindparam("at_most", type_=Integer))
        .with_for_update(skip_locked=True, of=outbox)
    )


@lru_cache(maxsize=64)
def _is_waiting(busy: int) -> Select[Any]:
    # In the order of the claim, which has an index.
    return select(outbox.c.id).where(_may_leave(busy)).order_by(outbox.c.attempts, outbox.c.id).limit(1)


def _may_leave(busy: int) -> ColumnElement[bool]:
    is_free = or_(
        outbox.c.leased_until.is_(None),
        outbox.c.leased_until <= _NOW,
        and_(IS_PARCEL, or_(outbox.c.held_until.is_(None), outbox.c.held_until <= _NOW)),
    )
    return and_(is_free, _is_first(_NOW), *(~_goes_by(n) for n in range(busy)))


def _goes_by(n: int) -> ColumnElement[bool]:
    """Whether a message goes to the n-th of the busy destinations."""
    key = outbox.c.routing_key
    below = bindparam(f"below_{n}", type_=key.type)
    alike = or_(key == bindparam(f"key_{n}"), func.substr(key, 1, func.length(below)) == below)
    return and_(outbox.c.exchange == bindparam(f"exchange_{n}"), alike)


def _leased() -> dict[str, ColumnElement[datetime]]:
    """The lease of a parcel is kept where releases without parcels do not look."""
    until = bindparam("until", type_=outbox.c.leased_until.type)
    return {
        "leased_until": case((IS_PARCEL, outbox.c.leased_until), else_=until),
        "held_until": case((IS_PARCEL, until), else_=outbox.c.held_until),
    }


_LEASE: Final = (
    update(outbox)
    .where(listed(outbox.c.id, "ids"))
    .values({**_leased(), "lease_owner": bindparam("owner", type_=outbox.c.lease_owner.type)})
)


def outbox_message_of(row: Any) -> OutboxMessage:
    """A message from its row."""
    return OutboxMessage(
        exchange=row.exchange,
        routing_key=row.routing_key,
        message_id=row.message_id,
        body=row.body,
        content_type=row.content_type,
        headers=msgspec.json.decode(row.headers),
        id=row.id,
        lane=row.lane,
        attempts=row.attempts,
        created=row.created_at,
    )


async def leased_until(tx: Transaction, ids: Iterable[UUID], until: datetime) -> set[UUID]:
    """Those of these messages whose lease ends at exactly that moment, which identifies the process that set it."""
    ours = or_(outbox.c.leased_until == until, and_(IS_PARCEL, outbox.c.held_until == until))
    query = select(outbox.c.id).where(outbox.c.id.in_(padded(ids)), ours)
    return set((await tx.execute(query)).scalars())


async def done(tx: Transaction, ids: Iterable[UUID]) -> None:
    """Delete these messages, which were confirmed."""
    wanted = padded(ids)
    if wanted:
        await tx.execute(_DELETE, {"ids": wanted})


_DELETE: Final = delete(outbox).where(listed(outbox.c.id, "ids"))


async def release(tx: Transaction, ids: Iterable[UUID], until: datetime) -> None:
    """Release messages that could not be sent; any process may retry after `until` (UTC)."""
    wanted = padded(ids)
    if wanted:
        await tx.execute(_RELEASE, {"ids": wanted, "until": until})


_RELEASE: Final = (
    update(outbox)
    .where(listed(outbox.c.id, "ids"))
    .values({**_leased(), "lease_owner": None, "attempts": outbox.c.attempts + 1})
)


async def keep(tx: Transaction, row: UUID, messages: Iterable[OutboxMessage]) -> None:
    """These alone are left of a parcel."""
    await tx.execute(update(outbox).where(outbox.c.id == row, IS_PARCEL).values(body=_packed(messages)))


async def take_over(tx: Transaction, owners: Collection[int]) -> int:
    """Release what dead processes were publishing; returns how many messages."""
    theirs = outbox.c.lease_owner.in_(sorted(owners))
    result = await tx.execute(update(outbox).where(theirs).values(**_leased(), lease_owner=None), {"until": None})
    return int(result.rowcount)

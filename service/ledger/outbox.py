"""The outbox: messages that must leave, written with what caused them, deleted once the broker has them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Struct
from sqlalchemy import bindparam, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from service.ledger.engine import new_uuid, padded
from service.ledger.tables import outbox

LEASE: Final = timedelta(seconds=30)


class Outgoing(Struct, frozen=True):
    """A message for the broker; `message_id` stays the same however often it is published."""

    exchange: str
    routing_key: str
    message_id: str
    body: bytes
    content_type: str = "application/cloudevents+json"
    headers: dict[str, Any] = {}
    id: UUID | None = None


async def put(connection: AsyncConnection, messages: Iterable[Outgoing], now: datetime) -> None:
    """Queue messages in the transaction of their cause."""
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
        }
        for m in messages
    ]
    if rows:
        await connection.execute(outbox.insert(), rows)


async def claim(connection: AsyncConnection, now: datetime, limit: int) -> list[Outgoing]:
    """The oldest messages that nobody else is publishing, leased."""
    query = (
        select(outbox)
        .where(or_(outbox.c.leased_until.is_(None), outbox.c.leased_until <= now))
        .order_by(outbox.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = (await connection.execute(query)).all()
    if rows:
        leased = update(outbox).where(outbox.c.id == bindparam("k")).values(leased_until=now + LEASE)
        await connection.execute(leased, [{"k": row.id} for row in rows])
    return [
        Outgoing(
            exchange=row.exchange,
            routing_key=row.routing_key,
            message_id=row.message_id,
            body=row.body,
            content_type=row.content_type,
            headers=msgspec.json.decode(row.headers),
            id=row.id,
        )
        for row in rows
    ]


async def done(connection: AsyncConnection, ids: Iterable[UUID]) -> None:
    """The broker has confirmed these."""
    wanted = padded(ids)
    if wanted:
        await connection.execute(delete(outbox).where(outbox.c.id.in_(wanted)))


async def release(connection: AsyncConnection, ids: Iterable[UUID]) -> None:
    """These could not be published; whoever comes next may try."""
    wanted = padded(ids)
    if wanted:
        await connection.execute(update(outbox).where(outbox.c.id.in_(wanted)).values(leased_until=None))


async def oldest(connection: AsyncConnection) -> datetime | None:
    """When the longest-waiting message was written."""
    query = select(outbox.c.created_at).order_by(outbox.c.id).limit(1)
    moment: datetime | None = (await connection.execute(query)).scalar_one_or_none()
    return moment

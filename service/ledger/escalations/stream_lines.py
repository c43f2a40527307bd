"""Reads lines of the live stream: after a position, its end, and whether a position can still be resumed."""

from datetime import datetime

from msgspec import Struct
from sqlalchemy import func, select

from service.ledger.database.transaction import Transaction
from service.ledger.escalations.tables import escalation_stream


class StreamPlace(Struct, frozen=True):
    """A position in the stream: a line's number, and its time, as numbers may be reused.

    They are after a restore, and on SQLite once old lines were deleted.
    """

    seq: int = 0
    mark: int = 0

    def __str__(self) -> str:
        return f"{self.seq}-{self.mark:x}"


def mark_of(at: datetime) -> int:
    """The time in microseconds since 1970."""
    return round(at.timestamp() * 1_000_000)


async def stream_after(tx: Transaction, seq: int, limit: int) -> list[tuple[int, str, str, datetime]]:
    """Lines after `seq` as (number, kind, JSON, time)."""
    query = select(
        escalation_stream.c.seq, escalation_stream.c.kind, escalation_stream.c.body, escalation_stream.c.at
    ).where(escalation_stream.c.seq > seq)
    rows = await tx.execute(query.order_by(escalation_stream.c.seq).limit(limit))
    return [(row.seq, row.kind, row.body, row.at) for row in rows]


async def stream_end(tx: Transaction) -> StreamPlace:
    """The position of the newest line."""
    row = (
        await tx.execute(
            select(escalation_stream.c.seq, escalation_stream.c.at).order_by(escalation_stream.c.seq.desc()).limit(1)
        )
    ).first()
    return StreamPlace(row.seq, mark_of(row.at)) if row else StreamPlace()


async def resumable(tx: Transaction, seq: int, mark: int | None) -> bool:
    """Whether everything after this position is still stored; `mark` is None if only a number is known."""
    if mark:
        at = (
            await tx.execute(select(escalation_stream.c.at).where(escalation_stream.c.seq == seq))
        ).scalar_one_or_none()
        return at is not None and mark_of(at) == mark
    first, last = (await tx.execute(select(func.min(escalation_stream.c.seq), func.max(escalation_stream.c.seq)))).one()
    return seq == 0 if first is None else first - 1 <= seq <= last

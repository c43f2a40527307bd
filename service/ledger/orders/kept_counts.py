"""Figures of reports that take long to count, as they were last counted: who counts, and what came of it.

A count is claimed before it begins, and kept only while its claim stands. So several processes count once, and what was
counted before somebody was erased is never kept after it: erasing deletes claims too.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from msgspec import Struct
from sqlalchemy import and_, delete, or_, select, update

from service.ledger.database.sets import dialect_insert
from service.ledger.database.transaction import Transaction
from service.ledger.orders.tables import COUNT_FIGURES, kept_counts

# Renewed while it is counted: a process that died in the middle of it keeps nobody waiting for long.
LEASE: Final = timedelta(seconds=15)


class KeptCount(Struct, frozen=True):
    """One of them. `figures`: as JSON, None while it is counted for the first time; `took_s`: seconds to count it."""

    version: str
    figures: bytes | None
    counted_at: datetime | None
    took_s: float


async def find(tx: Transaction, id: UUID) -> KeptCount | None:
    """The count with this id, also while it is claimed; raises SealBroken."""
    row = (await tx.execute(select(kept_counts).where(kept_counts.c.id == id))).one_or_none()
    if row is None:
        return None
    sealed = row.sealed_figures
    figures = None if sealed is None else tx.keyring.unseal(sealed, COUNT_FIGURES.of(id))
    return KeptCount(row.version, figures, row.counted_at, row.took_s)


async def claim(tx: Transaction, id: UUID, claim: UUID, now: datetime) -> bool:
    """Whether it may be counted under this claim: not while another one stands."""
    taken = {"claim": claim, "lease_until": now + LEASE}
    statement = dialect_insert(tx)(kept_counts).values(id=id, version="", took_s=0.0, **taken)
    free = or_(kept_counts.c.lease_until.is_(None), kept_counts.c.lease_until <= now)
    statement = statement.on_conflict_do_update(index_elements=["id"], set_=taken, where=free)
    return (await tx.execute(statement.returning(kept_counts.c.id))).one_or_none() is not None


async def renew(tx: Transaction, id: UUID, claim: UUID, now: datetime) -> None:
    """Counting goes on."""
    statement = update(kept_counts).where(kept_counts.c.id == id, kept_counts.c.claim == claim)
    await tx.execute(statement.values(lease_until=now + LEASE))


async def keep(tx: Transaction, id: UUID, claim: UUID, count: KeptCount) -> bool:
    """Store what was counted, and end the claim; False where it no longer stands."""
    sealed = None if count.figures is None else tx.keyring.seal(count.figures, COUNT_FIGURES.of(id))
    values = {"version": count.version, "counted_at": count.counted_at, "took_s": count.took_s}
    statement = update(kept_counts).where(kept_counts.c.id == id, kept_counts.c.claim == claim)
    done = await tx.execute(statement.values(**values, sealed_figures=sealed, claim=None, lease_until=None))
    return bool(done.rowcount)


async def let_go(tx: Transaction, id: UUID, claim: UUID) -> None:
    """End a claim of which nothing came; what was kept before stays."""
    mine = and_(kept_counts.c.id == id, kept_counts.c.claim == claim)
    await tx.execute(delete(kept_counts).where(mine, kept_counts.c.sealed_figures.is_(None)))
    await tx.execute(update(kept_counts).where(mine).values(claim=None, lease_until=None))


async def drop(tx: Transaction, id: UUID, claim: UUID) -> bool:
    """End the claim of what takes so little that it need not be kept; False where it no longer stands."""
    done = await tx.execute(delete(kept_counts).where(kept_counts.c.id == id, kept_counts.c.claim == claim))
    return bool(done.rowcount)


async def forget_all(tx: Transaction) -> None:
    """Somebody was erased, whose names or words may stand in any of them: all are counted anew."""
    await tx.execute(delete(kept_counts))


async def forget_old(tx: Transaction, before: datetime) -> None:
    """Delete those that nobody has had counted since then."""
    await tx.execute(delete(kept_counts).where(kept_counts.c.counted_at < before))

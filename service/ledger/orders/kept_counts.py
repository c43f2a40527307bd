"""Cached figures of reports that take long to compute, shared by all processes.

A computation is claimed before it begins, and its result is stored only while the claim is valid. So several processes
compute once, and figures computed before an erasure are never stored after it, as erasing deletes claims, too.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from msgspec import Struct
from sqlalchemy import and_, delete, or_, select, update

from service.ledger.database.sets import dialect_insert
from service.ledger.database.transaction import Transaction
from service.ledger.orders.tables import COUNT_FIGURES, kept_counts

# Renewed during the computation, so that a process that dies meanwhile does not block others for long.
LEASE: Final = timedelta(seconds=15)


class KeptCount(Struct, frozen=True):
    """Cached figures. `figures`: JSON, None during the first computation; `took_s`: seconds that it took."""

    version: str
    figures: bytes | None
    counted_at: datetime | None
    took_s: float


async def find(tx: Transaction, id: UUID) -> KeptCount | None:
    """The figures with this id, also while they are claimed; raises SealBroken."""
    row = (await tx.execute(select(kept_counts).where(kept_counts.c.id == id))).one_or_none()
    if row is None:
        return None
    sealed = row.sealed_figures
    figures = None if sealed is None else tx.keyring.unseal(sealed, COUNT_FIGURES.of(id))
    return KeptCount(row.version, figures, row.counted_at, row.took_s)


async def claim(tx: Transaction, id: UUID, claim: UUID, now: datetime) -> bool:
    """Claim the computation; False if another claim is valid."""
    taken = {"claim": claim, "lease_until": now + LEASE}
    statement = dialect_insert(tx)(kept_counts).values(id=id, version="", took_s=0.0, **taken)
    free = or_(kept_counts.c.lease_until.is_(None), kept_counts.c.lease_until <= now)
    statement = statement.on_conflict_do_update(index_elements=["id"], set_=taken, where=free)
    return (await tx.execute(statement.returning(kept_counts.c.id))).one_or_none() is not None


async def renew(tx: Transaction, id: UUID, claim: UUID, now: datetime) -> None:
    """Extend the lease of a claim."""
    statement = update(kept_counts).where(kept_counts.c.id == id, kept_counts.c.claim == claim)
    await tx.execute(statement.values(lease_until=now + LEASE))


async def keep(tx: Transaction, id: UUID, claim: UUID, count: KeptCount) -> bool:
    """Store the result and end the claim; False if the claim is no longer valid."""
    sealed = None if count.figures is None else tx.keyring.seal(count.figures, COUNT_FIGURES.of(id))
    values = {"version": count.version, "counted_at": count.counted_at, "took_s": count.took_s}
    statement = update(kept_counts).where(kept_counts.c.id == id, kept_counts.c.claim == claim)
    done = await tx.execute(statement.values(**values, sealed_figures=sealed, claim=None, lease_until=None))
    return bool(done.rowcount)


async def let_go(tx: Transaction, id: UUID, claim: UUID) -> None:
    """End a claim without a result; earlier figures stay."""
    mine = and_(kept_counts.c.id == id, kept_counts.c.claim == claim)
    await tx.execute(delete(kept_counts).where(mine, kept_counts.c.sealed_figures.is_(None)))
    await tx.execute(update(kept_counts).where(mine).values(claim=None, lease_until=None))


async def drop(tx: Transaction, id: UUID, claim: UUID) -> bool:
    """Delete the row of figures that are fast to compute; False if the claim is no longer valid."""
    done = await tx.execute(delete(kept_counts).where(kept_counts.c.id == id, kept_counts.c.claim == claim))
    return bool(done.rowcount)


async def forget_all(tx: Transaction) -> None:
    """Delete all figures and claims, as they may contain data of an erased person."""
    await tx.execute(delete(kept_counts))


async def forget_old(tx: Transaction, before: datetime) -> None:
    """Delete figures computed before `before`."""
    await tx.execute(delete(kept_counts).where(kept_counts.c.counted_at < before))

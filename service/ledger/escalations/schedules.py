"""Scheduled mails: digests of teams, subscribed reports, and exports of rows."""

from collections.abc import Iterable, Sequence
from datetime import datetime, time
from typing import Any, Final
from uuid import UUID, uuid5

import structlog
from msgspec import Struct
from sqlalchemy import delete, select, update

from service.domain.calendars import Every, Schedule, next_time
from service.domain.clocks.kinds.digest import schedule_of
from service.domain.teams import Team
from service.keyring import Keyring
from service.ledger.database.engine import new_uuid
from service.ledger.database.sets import NewRow, upsert
from service.ledger.database.transaction import Transaction
from service.ledger.escalations.tables import SCHEDULE_TARGET, schedules
from service.ledger.orders.records import UNREADABLE, UNREADABLE_HINT, UNREADABLE_RETRY, seal_json, unseal_json

log = structlog.get_logger(__name__)
DIGEST: Final = "digest"
REPORT: Final = "report"
ROWS: Final = "rows"
_EXPORTS: Final = UUID("2f0f7c1e-3b7b-4f0e-9a52-6f6f4b7f8d21")
_TEAMS: Final = UUID("6f2f9f0e-6f4e-4c43-9f0c-0f7b4d3d5a10")


class ReportSubscription(Struct, frozen=True):
    """A scheduled mail. `target` holds the address, if there is one."""

    id: UUID
    kind: str
    workflow: str
    name: str
    schedule: Schedule
    next_at: datetime
    created_by: str
    target: dict[str, str]


class PlannedExport(Struct, frozen=True):
    """An export of list rows that a pack asks for. `name`: list, frequency and recipient, separated by dots."""

    workflow: str
    name: str
    schedule: Schedule


async def sync_exports(tx: Transaction, planned: Iterable[PlannedExport], now: datetime) -> None:
    """Create the schedules of exports that packs ask for, change their times, and delete others.

    The first export contains the rows added from now on.
    """
    wanted = {uuid5(_EXPORTS, f"{p.workflow}/{p.name}"): p for p in planned}
    there = await tx.execute(
        select(schedules.c.id, schedules.c.at, schedules.c.timezone).where(schedules.c.kind == ROWS)
    )
    known = {row.id: (row.at, row.timezone) for row in there}
    if gone := [k for k in known if k not in wanted]:
        await tx.execute(delete(schedules).where(schedules.c.id.in_(gone)))
    rows = [
        _row(tx.keyring, key, ROWS, p.workflow, p.name, p.schedule, now, "", {"since": now.isoformat()})
        for key, p in wanted.items()
        if known.get(key) != (f"{p.schedule.at:%H:%M}", p.schedule.timezone)
    ]
    await upsert(tx, schedules, rows, ("at", "timezone", "next_at"))


async def reschedule_export(tx: Transaction, schedule_id: UUID, target: dict[str, str], at: datetime | None) -> None:
    """Store where an export continues, and when (`at`; None: at its next scheduled time)."""
    values: NewRow = {"sealed_target": seal_json(tx.keyring, target, SCHEDULE_TARGET.of(schedule_id))}
    if at is not None:
        values["next_at"] = at
    await tx.execute(update(schedules).where(schedules.c.id == schedule_id).values(**values))


async def sync_digests(tx: Transaction, teams: Iterable[Team], now: datetime) -> None:
    """Create the schedules of daily digests that packs ask for, change their times, and delete others."""
    digests = ((team, schedule_of(team)) for team in teams)
    wanted = {uuid5(_TEAMS, team.name): (team.name, schedule) for team, schedule in digests if schedule}
    there = await tx.execute(
        select(schedules.c.id, schedules.c.at, schedules.c.timezone).where(schedules.c.kind == DIGEST)
    )
    known = {row.id: (row.at, row.timezone) for row in there}
    gone = [k for k in known if k not in wanted]
    if gone:
        await tx.execute(delete(schedules).where(schedules.c.id.in_(gone)))
    rows = [
        _row(tx.keyring, key, DIGEST, "", name, schedule, now, "", {})
        for key, (name, schedule) in wanted.items()
        if known.get(key) != (f"{schedule.at:%H:%M}", schedule.timezone)
    ]
    await upsert(tx, schedules, rows, ("at", "timezone", "next_at"))


async def subscribe(
    tx: Transaction,
    workflow: str,
    report: str,
    schedule: Schedule,
    email: str,
    by: str,
    now: datetime,
) -> ReportSubscription:
    """Subscribe an address to a report."""
    key = new_uuid()
    row = _row(tx.keyring, key, REPORT, workflow, report, schedule, now, by, {"email": email})
    await tx.execute(schedules.insert().values(**row))
    return ReportSubscription(key, REPORT, workflow, report, schedule, row["next_at"], by, {"email": email})


def _row(
    keyring: Keyring,
    key: UUID,
    kind: str,
    workflow: str,
    name: str,
    schedule: Schedule,
    now: datetime,
    by: str,
    target: dict[str, str],
) -> NewRow:
    return {
        "id": key,
        "kind": kind,
        "workflow": workflow,
        "name": name,
        "every": schedule.every,
        "at": f"{schedule.at:%H:%M}",
        "timezone": schedule.timezone,
        "day": schedule.day,
        "next_at": next_time(schedule, now),
        "created_at": now,
        "created_by": by,
        "sealed_target": seal_json(keyring, target, SCHEDULE_TARGET.of(key)),
    }


async def unsubscribe(tx: Transaction, subscription_id: UUID) -> bool:
    """Delete a subscription; returns whether it existed."""
    gone = await tx.execute(delete(schedules).where(schedules.c.id == subscription_id, schedules.c.kind == REPORT))
    return bool(gone.rowcount)


async def listed(tx: Transaction) -> list[ReportSubscription]:
    """All report subscriptions; unreadable ones are logged and left out."""
    query = select(schedules).where(schedules.c.kind == REPORT).order_by(schedules.c.created_at)
    found = []
    for row in await tx.execute(query):
        try:
            found.append(_subscription(tx.keyring, row))
        except UNREADABLE:
            log.error("subscription.unreadable", id=str(row.id), hint=UNREADABLE_HINT)
    return found


async def claim_due(tx: Transaction, now: datetime, limit: int = 50) -> Sequence[ReportSubscription]:
    """The due schedules, locked, and set to their next time by this transaction."""
    query = (
        select(schedules)
        .where(schedules.c.next_at <= now)
        .order_by(schedules.c.next_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    due = []
    for row in (await tx.execute(query)).all():
        try:
            due.append(_subscription(tx.keyring, row))
            next_at = next_time(due[-1].schedule, now)
        except UNREADABLE:
            log.error("subscription.unreadable", id=str(row.id), hint=UNREADABLE_HINT)
            next_at = now + UNREADABLE_RETRY
        await tx.execute(update(schedules).where(schedules.c.id == row.id).values(next_at=next_at))
    return due


async def next_due(tx: Transaction) -> datetime | None:
    """The earliest time at which a schedule is due; None without schedules."""
    moment: datetime | None = (await tx.execute(_NEXT_DUE)).scalar_one_or_none()
    return moment


_NEXT_DUE: Final = select(schedules.c.next_at).order_by(schedules.c.next_at).limit(1)


def _subscription(keyring: Keyring, row: Any) -> ReportSubscription:
    every: Every = row.every
    return ReportSubscription(
        id=row.id,
        kind=row.kind,
        workflow=row.workflow,
        name=row.name,
        schedule=Schedule(every, time.fromisoformat(row.at), row.timezone, row.day),
        next_at=row.next_at,
        created_by=row.created_by,
        target=unseal_json(keyring, row.sealed_target, SCHEDULE_TARGET.of(row.id)),
    )

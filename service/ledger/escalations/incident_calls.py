"""Repeated calls for incidents: reminders, levels, and the end of a snooze, as for escalations."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, or_, select, update

from service.domain.escalation import called_again, next_due
from service.domain.order import Escalation
from service.domain.teams import Team
from service.ledger.columns import literal_in
from service.ledger.database.transaction import Transaction
from service.ledger.escalations.incidents import Announced, TeamOf, announced_of
from service.ledger.escalations.tables import incidents
from service.ledger.escalations.writing import serialise


async def call_again(tx: Transaction, team_of: TeamOf, now: datetime) -> list[Announced]:
    """Call once for each open incident that is due, however many calls were missed meanwhile.

    `team_of`: the team that a row of `incidents` calls; None leaves it to other callers.
    """
    if not any(team_of(row) for row in await _due(tx, now)):
        return []
    await serialise(tx)
    announced = []
    for row in await _due(tx, now):
        if (team := team_of(row)) is None:
            continue
        as_one = _as_escalation(row, team)
        if (due := next_due(as_one)) is not None and due <= now:
            announced.append(await _call(tx, row, as_one, team, due, now))
    return announced


async def _due(tx: Transaction, now: datetime) -> list[Row[Any]]:
    i = incidents.c
    is_due = or_(
        (i.state == "open") & or_(i.level_at <= now, i.remind_at <= now),
        (i.state == "snoozed") & (i.snoozed_until <= now),
    )
    query = select(incidents).where(~literal_in(i.state, "resolved"), is_due).order_by(i.opened_at)
    return list((await tx.execute(query)).all())


def _as_escalation(row: Row[Any], team: Team) -> Escalation:
    """The incident as an escalation, to apply its rules. After a reopening, times count from then."""
    counted_from = row.opened_at
    if row.level_at is not None and row.level < len(team.levels):
        counted_from = row.level_at - team.levels[row.level].after
    return Escalation(
        id=row.id,
        team=row.team,
        reason=row.reason,
        severity=row.severity,
        opened=counted_from,
        state=row.state,
        level=row.level,
        next_level=row.level_at,
        next_reminder=row.remind_at,
        snoozed_until=row.snoozed_until,
    )


async def _call(
    tx: Transaction, row: Row[Any], as_one: Escalation, team: Team, due: datetime, now: datetime
) -> Announced:
    _, after, _ = called_again(as_one, team, due, now)
    values = {
        "state": after.state,
        "level": after.level,
        "level_at": after.next_level,
        "remind_at": after.next_reminder,
        "snoozed_until": after.snoozed_until,
        "changes": row.changes + 1,
        "told_at": now,
        "told": row.orders,
    }
    await tx.execute(update(incidents).where(incidents.c.id == row.id).values(**values))
    return await announced_of(tx, row.id, "reminded", team, now)

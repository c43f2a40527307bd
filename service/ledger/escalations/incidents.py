"""Incidents: one call for many escalations with the same cause, with the list of their orders."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from msgspec import UNSET, Struct
from sqlalchemy import func, insert, select, update

from service.domain.draft import EscalationChange
from service.domain.escalation import first_level, first_reminder
from service.domain.order import Escalation, Order
from service.domain.teams import Team
from service.domain.workflow import Workflow
from service.events_out import CloudEvent, EscalationData, OrderOfIncident
from service.ledger.database.engine import new_uuid, padded
from service.ledger.database.listed import listed
from service.ledger.database.sets import NewRow
from service.ledger.database.transaction import Transaction
from service.ledger.escalations.tables import escalations, incidents

ANNOUNCE_EVERY: Final = timedelta(seconds=60)
# An incident takes in further escalations until there were none for so long.
GROWS_FOR: Final = timedelta(minutes=5)
MOST_LISTED: Final = 10_000
PROVIDER_REFUSED: Final = "provider_refused"
# The team that a row of `incidents` calls, with its times, which may differ between packs.
TeamOf = Callable[[Any], Team | None]

_OF_ORDERS: Final = (
    select(escalations.c.order_id, escalations.c.team, escalations.c.incident_id)
    .join(incidents, incidents.c.id == escalations.c.incident_id)
    .where(
        listed(escalations.c.order_id, "orders"),
        escalations.c.state != "resolved",
        incidents.c.state != "resolved",
    )
)


class Announced(Struct, frozen=True):
    """A change of an incident of which its team is notified."""

    event: CloudEvent[EscalationData]
    team: Team


class ProviderIncident(Struct, frozen=True):
    """Why an incident is opened without an order; `detail` is shown to people.

    `is_warning`: nothing is broken yet, so there is one call, without reminders and levels.
    """

    provider: str
    channel: str
    detail: str
    reason: str = PROVIDER_REFUSED
    is_warning: bool = False


class Change(Struct, frozen=True):
    """A change of one order's escalation; `traceparent` (W3C) of the decision that made it."""

    workflow: Workflow
    order: Order
    step: EscalationChange
    traceparent: str = ""


async def find_open(tx: Transaction, team: str, reason: str, since: datetime) -> UUID | None:
    """The incident that a further escalation joins: one that is open and still growing."""
    query = (
        select(incidents.c.id)
        .where(
            incidents.c.team == team,
            incidents.c.reason == reason,
            incidents.c.state != "resolved",
            incidents.c.provider == "",
            incidents.c.last_at > since,
        )
        .order_by(incidents.c.opened_at.desc())
        .limit(1)
    )
    found: UUID | None = (await tx.execute(query)).scalar_one_or_none()
    return found


async def of_orders(tx: Transaction, order_ids: Collection[UUID]) -> dict[tuple[UUID, str], UUID]:
    """By order and team, the open incident that one of the order's open escalations belongs to."""
    rows = await tx.execute(_OF_ORDERS, {"orders": padded(order_ids)})
    return {(row.order_id, row.team): row.incident_id for row in rows}


async def add_members(tx: Transaction, incident_id: UUID, team: str, reason: str, since: datetime) -> None:
    """Add the escalations that led to the incident; from now on only the incident calls."""
    alone = (
        (escalations.c.team == team)
        & (escalations.c.reason == reason)
        & (escalations.c.state == "open")
        & escalations.c.incident_id.is_(None)
        & (escalations.c.changed_at > since)
    )
    await tx.execute(update(escalations).where(alone).values(incident_id=incident_id))


async def open_new(tx: Transaction, order: Order, escalation: Escalation, team: Team, now: datetime) -> UUID:
    """A new incident, started by this escalation; nobody is notified yet."""
    incident_id = new_uuid()
    await tx.execute(
        insert(incidents).values(
            id=incident_id,
            team=escalation.team,
            reason=escalation.reason,
            severity=escalation.severity,
            state="open",
            orders=0,
            told=0,
            opened_at=now,
            last_at=now,
            told_at=now - ANNOUNCE_EVERY,
            changes=0,
            subject=order.reference,
            workflow=order.workflow,
            **_first_calls(team, now),
        )
    )
    return incident_id


def _first_calls(team: Team, now: datetime) -> NewRow:
    """The times of the next level and the first reminder, unless somebody acknowledges."""
    return {"level": 0, "level_at": first_level(team, now), "remind_at": first_reminder(team, now)}


async def open_for_provider(
    tx: Transaction, incident: ProviderIncident, team: Team, severity: str, now: datetime
) -> Announced:
    """Open an incident without an order: a provider refuses us, or a cap is almost used up."""
    values: NewRow = {
        "team": team.name,
        "reason": incident.reason,
        "severity": severity,
        "state": "open",
        "orders": 0,
        "told": 0,
        "opened_at": now,
        "last_at": now,
        "told_at": now,
        "changes": 1,
        "subject": incident.provider,
        "workflow": "",
        "provider": incident.provider,
        "detail": incident.detail,
        **({} if incident.is_warning else _first_calls(team, now)),
    }
    incident_id = new_uuid()
    await tx.execute(insert(incidents).values(id=incident_id, **values))
    return await announced_of(tx, incident_id, "opened", team, now)


async def step_of(
    tx: Transaction, row: Any, kind: str, state: str, team: Team, now: datetime, until: datetime | None = None
) -> Announced:
    """The next step of a provider's incident, whose state is then `state` (`until`); returns what to notify."""
    values: NewRow = {"state": state, "changes": row.changes + 1, "snoozed_until": until}
    values |= {"last_at": now, "told_at": now}
    if state == "open":
        values |= _first_calls(team, now)
    await tx.execute(update(incidents).where(incidents.c.id == row.id).values(**values))
    return await announced_of(tx, row.id, kind, team, now)


async def announced_of(tx: Transaction, incident_id: UUID, kind: str, team: Team, now: datetime) -> Announced:
    """What to notify about the incident's present state."""
    row = (await tx.execute(select(incidents).where(incidents.c.id == incident_id))).one()
    listed = await orders_of(tx, incident_id) if row.orders else []
    return _event(row, kind, row.changes, row.orders, listed, team, now)


async def update_for(
    tx: Transaction, changes: Sequence[Change], members: Mapping[UUID, UUID], now: datetime
) -> list[Announced]:
    """Update the incidents of these steps; returns what to notify."""
    touched: dict[UUID, list[Change]] = defaultdict(list)
    for change in changes:
        if (incident := members.get(change.step.escalation.id)) is not None:
            touched[incident].append(change)
    all_announced: list[Announced] = []
    for incident_id, steps in touched.items():
        team = steps[0].workflow.teams[steps[0].step.escalation.team]
        grew = any(s.step.kind == "opened" for s in steps)
        if (announced := await _refresh(tx, incident_id, team, now, grew=grew)) is not None:
            all_announced.append(announced)
    return all_announced


async def flush(tx: Transaction, team_of: TeamOf, now: datetime) -> list[Announced]:
    """Notify about incidents that have grown since the last time, each at most once a minute."""
    query = select(incidents.c.id, incidents.c.team, incidents.c.workflow, incidents.c.provider).where(
        incidents.c.state != "resolved",
        incidents.c.provider == "",
        incidents.c.orders > incidents.c.told,
        incidents.c.told_at <= now - ANNOUNCE_EVERY,
    )
    all_announced: list[Announced] = []
    for row in (await tx.execute(query)).all():
        team = team_of(row)
        if team is not None and (announced := await _refresh(tx, row.id, team, now, grew=False)) is not None:
            all_announced.append(announced)
    return all_announced


async def _refresh(tx: Transaction, incident_id: UUID, team: Team, now: datetime, *, grew: bool) -> Announced | None:
    row = (await tx.execute(select(incidents).where(incidents.c.id == incident_id))).one()
    is_member = escalations.c.incident_id == incident_id
    open_left = int(
        (
            await tx.execute(
                select(func.count()).select_from(escalations).where(is_member, escalations.c.state != "resolved")
            )
        ).scalar_one()
    )
    if row.provider:
        # An incident of a provider ends with its cause, and calls at its own times: provider_health, incident_calls.
        await tx.execute(update(incidents).where(incidents.c.id == incident_id).values(orders=open_left))
        return None
    last_at = now if grew else row.last_at
    due = now - row.told_at >= ANNOUNCE_EVERY and open_left > row.told
    over = open_left == 0 and not grew
    kind = "resolved" if over else "opened" if row.changes == 0 else "reminded" if due else ""
    values: NewRow = {"orders": open_left, "last_at": last_at}
    if kind:
        values |= {"changes": row.changes + 1, "told_at": now, "told": open_left}
    if over:
        values["state"] = "resolved"
    await tx.execute(update(incidents).where(incidents.c.id == incident_id).values(**values))
    if not kind:
        return None
    listed = await orders_of(tx, incident_id)
    return _event(row, kind, row.changes + 1, open_left, listed, team, now)


async def set_state(tx: Transaction, incident_id: UUID, state: str, until: datetime | None) -> None:
    """Store the state that a person chose; `until`: the end of a snooze."""
    values = {"state": state, "snoozed_until": until}
    await tx.execute(update(incidents).where(incidents.c.id == incident_id).values(**values))


async def release_members(tx: Transaction, incident_id: UUID) -> None:
    """Remove the open escalations from the incident; each calls by itself again when due."""
    left = (escalations.c.incident_id == incident_id) & (escalations.c.state != "resolved")
    await tx.execute(update(escalations).where(left).values(incident_id=None))


async def orders_of(tx: Transaction, incident_id: UUID) -> list[OrderOfIncident]:
    """The orders of an incident, oldest first."""
    query = (
        select(escalations.c.workflow, escalations.c.order_name)
        .where(escalations.c.incident_id == incident_id)
        .order_by(escalations.c.opened_at, escalations.c.id)
        .limit(MOST_LISTED)
    )
    return [OrderOfIncident(r.workflow, r.order_name) for r in await tx.execute(query)]


def _event(
    row: Any, kind: str, change: int, open_left: int, listed: list[OrderOfIncident], team: Team, now: datetime
) -> Announced:
    data = EscalationData(
        workflow=row.workflow,
        order_id=row.subject,
        escalation_id=str(row.id),
        team=row.team,
        reason=row.reason,
        severity=row.severity,
        level=row.level,
        state="resolved" if kind == "resolved" else row.state,
        opened=row.opened_at,
        incident=True,
        open_orders=open_left,
        orders=listed,
        provider=row.provider or UNSET,
        detail=row.detail if row.provider else UNSET,
    )
    event = CloudEvent(id=f"{row.id}.{change}", type=f"escalation.{kind}", subject=row.subject, time=now, data=data)
    return Announced(event, team)

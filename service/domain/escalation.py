"""Escalations: opened once per order, team and reason; reminded and raised until somebody acts; settled."""

from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from service.domain.draft import Draft, EscalationChange, escalation_key
from service.domain.errors import Rejection
from service.domain.order import Escalation, Order
from service.domain.workflow import SEVERITIES, Severity, Team


def open_or_join(
    draft: Draft,
    reason_name: str,
    at: datetime,
    *,
    severity: Severity | None = None,
    clock_id: UUID | None = None,
    due: datetime | None = None,
    detail: str = "",
    by: str = "",
) -> None:
    """Call the reason's team; a further cause joins the escalation that is already open."""
    reason = draft.workflow.reasons[reason_name]
    clocks = (clock_id,) if clock_id else ()
    already = draft.order.escalations.get(escalation_key(reason.team, reason.name))
    if already:
        _join(draft, already, severity or reason.severity, at, clocks, detail, by)
        return
    team = draft.workflow.teams[reason.team]
    opened = Escalation(
        id=draft.next_id(),
        team=team.name,
        reason=reason.name,
        severity=severity or reason.severity,
        opened=at,
        clocks=clocks,
        due=due,
        breached=at if clock_id else None,
        next_level=at + team.levels[0].after if team.levels else None,
        next_reminder=at + team.remind_every if team.remind_every else None,
        detail=detail,
        by=by,
    )
    draft.put_escalation("opened", at, opened)
    said = {"severity": opened.severity, "by": by, "detail": detail}
    draft.log("escalation_opened", at, reason=reason.name, team=team.name, **said)


def _join(
    draft: Draft, already: Escalation, severity: Severity, at: datetime, clocks: tuple[UUID, ...], detail: str, by: str
) -> None:
    joined = replace(
        already,
        severity=max(already.severity, severity, key=SEVERITIES.index),
        causes=already.causes + 1,
        clocks=already.clocks + clocks,
        detail=detail or already.detail,
    )
    draft.put_escalation("joined", at, joined)
    draft.log("escalation_joined", at, reason=joined.reason, team=joined.team, causes=joined.causes, by=by)


def clock_ended(draft: Draft, clock_id: UUID, at: datetime, why: str) -> None:
    """Resolve what this clock alone had raised."""
    for escalation in list(draft.order.escalations.values()):
        if clock_id not in escalation.clocks:
            continue
        left = tuple(c for c in escalation.clocks if c != clock_id)
        causes = escalation.causes - 1
        if causes > 0:
            draft.put_escalation("joined", at, replace(escalation, clocks=left, causes=causes))
        else:
            _resolve(draft, replace(escalation, clocks=left, causes=0), at, why, by="")


def find(order: Order, escalation_id: UUID) -> Escalation:
    """The order's open escalation with this id; raises Rejection when it is not open."""
    for escalation in order.escalations.values():
        if escalation.id == escalation_id:
            return escalation
    raise Rejection("the escalation is not open any more")


def acknowledge(draft: Draft, escalation: Escalation, by: str) -> None:
    """Somebody has it: no more reminders or levels."""
    taken = replace(escalation, state="acknowledged", next_level=None, next_reminder=None, snoozed_until=None, by=by)
    draft.put_escalation("acknowledged", draft.at, taken)
    draft.log("escalation_acknowledged", reason=escalation.reason, team=escalation.team, by=by)


def snooze(draft: Draft, escalation: Escalation, until: datetime, by: str) -> None:
    """Quiet until then; raises Rejection for a time that is not ahead."""
    if until <= draft.now:
        raise Rejection(f"until: {until.isoformat()} is not in the future")
    draft.put_escalation("snoozed", draft.at, replace(escalation, state="snoozed", snoozed_until=until, by=by))
    draft.log("escalation_snoozed", reason=escalation.reason, team=escalation.team, until=until.isoformat(), by=by)


def resolve(draft: Draft, escalation: Escalation, by: str, comment: str) -> None:
    """A person settled it."""
    _resolve(draft, escalation, draft.at, comment or "resolved by a person", by)


def _resolve(draft: Draft, escalation: Escalation, at: datetime, why: str, by: str) -> None:
    settled = replace(
        escalation,
        state="resolved",
        next_level=None,
        next_reminder=None,
        snoozed_until=None,
        detail=why,
        by=by,
    )
    draft.put_escalation("resolved", at, settled)
    draft.log("escalation_resolved", at, reason=escalation.reason, team=escalation.team, why=why, by=by)


def next_due(escalation: Escalation) -> datetime | None:
    """When this escalation next wants attention."""
    if escalation.state == "snoozed":
        return escalation.snoozed_until
    times = [t for t in (escalation.next_level, escalation.next_reminder) if t]
    return min(times, default=None)


def tick(draft: Draft, escalation: Escalation, due: datetime) -> None:
    """What its time has come for: wake from snooze, go up a level, or remind."""
    team = draft.workflow.teams[escalation.team]
    if escalation.state == "snoozed":
        awake = replace(
            escalation,
            state="open",
            snoozed_until=None,
            next_level=_next_level(team, escalation.level, due, due),
            next_reminder=due + team.remind_every if team.remind_every else None,
        )
        draft.put_escalation("reminded", due, awake)
        draft.log("escalation_reminded", due, reason=escalation.reason, team=team.name, why="its snooze is over")
    elif escalation.next_level and escalation.next_level <= due:
        level = escalation.level + 1
        raised = replace(escalation, level=level, next_level=_next_level(team, level, escalation.opened, due))
        draft.put_escalation("raised", due, raised)
        to = team.levels[level - 1].to
        draft.log("escalation_raised", due, reason=escalation.reason, team=team.name, level=level, to=to)
    else:
        later = due + team.remind_every if team.remind_every else None
        draft.put_escalation("reminded", due, replace(escalation, next_reminder=later))
        draft.log("escalation_reminded", due, reason=escalation.reason, team=team.name)


def _next_level(team: Team, level: int, opened: datetime, now: datetime) -> datetime | None:
    if level >= len(team.levels):
        return None
    return max(opened + team.levels[level].after, now)


# The contract names four types; a step that only adds to an open escalation is a reminder to its readers.
_PUBLISHED = {
    "opened": "opened",
    "acknowledged": "acknowledged",
    "reminded": "reminded",
    "raised": "reminded",
    "resolved": "resolved",
}


def as_event(order: Order, change: EscalationChange, source: str) -> tuple[str, dict[str, object]] | None:
    """Routing key and structured CloudEvent of a change that the outside hears of; its id is stable."""
    kind = _PUBLISHED.get(change.kind)
    if kind is None:
        return None
    e = change.escalation
    data: dict[str, object] = {
        "workflow": order.workflow,
        "order_id": order.order_id,
        "escalation_id": str(e.id),
        "team": e.team,
        "reason": e.reason,
        "severity": e.severity,
        "level": e.level,
        "state": e.state,
        "opened": e.opened,
    }
    if e.due:
        data["due"] = e.due
        data["breached"] = e.breached
    return f"escalation.{e.team}.{e.reason}", {
        "specversion": "1.0",
        "id": f"{e.id}.{e.changes}",
        "source": source,
        "type": f"escalation.{kind}",
        "subject": order.order_id,
        "time": change.at,
        "datacontenttype": "application/json",
        "data": data,
    }

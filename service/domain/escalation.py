"""Escalations: opened once per order, team and reason; reminded and raised until somebody acts; settled."""

from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from service.domain.conditions.judging import holds
from service.domain.draft import Draft, EscalationChangeKind, escalation_key
from service.domain.errors import Rejection
from service.domain.order import Escalation, Order
from service.domain.teams import SEVERITIES, Reason, Severity, Team


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
    reason = _as_it_is_here(draft, draft.workflow.reasons[reason_name])
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
        next_level=first_level(team, at),
        next_reminder=first_reminder(team, at),
        detail=detail,
        by=by,
    )
    draft.put_escalation("opened", at, opened)
    details = {"severity": opened.severity, "by": by, "detail": detail}
    draft.log("escalation_opened", at, reason=reason.name, team=team.name, **details)


def _as_it_is_here(draft: Draft, reason: Reason) -> Reason:
    """The reason, with the team and severity that apply to this order."""
    situation = draft.situation()
    for v in reason.variants:
        if holds(v.when, situation):
            return replace(reason, team=v.team or reason.team, severity=v.severity or reason.severity)
    return reason


def first_level(team: Team, at: datetime) -> datetime | None:
    """When an escalation opened at that moment is raised to the first level, unless acknowledged."""
    return at + team.levels[0].after if team.levels else None


def first_reminder(team: Team, at: datetime) -> datetime | None:
    """When its team is reminded at this level."""
    return at + team.remind_every if team.remind_every else None


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
    """Resolve an escalation that only this clock had raised."""
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
    """Acknowledge: no more reminders or levels. Raises Rejection when another person is its owner."""
    _require_free(escalation, by)
    if escalation.state == "acknowledged" and escalation.owner == by:
        return
    _take(draft, escalation, by, by)


def assign(
    draft: Draft, escalation: Escalation, to: str, by: str, holder: str = "", *, take_over: bool = False
) -> None:
    """Set the owner, or (`to` is empty) remove it; raises Rejection while a person other than `holder` is the owner.

    Taking it acknowledges it; being assigned does not, so the calls go on until the new owner acknowledges.
    """
    if not take_over:
        _require_free(escalation, to, by, holder)
    if escalation.owner == to and (to != by or escalation.state == "acknowledged"):
        return
    if to and (to == by or escalation.state == "acknowledged"):
        _take(draft, escalation, to, by)
        return
    team = draft.workflow.teams[escalation.team]
    given = replace(escalation, owner=to, owned_since=draft.at if to else None, by=by)
    if escalation.state == "acknowledged":
        given = _called_from_now(given, team, draft.at)
    draft.put_escalation("assigned", draft.at, given)
    draft.log("escalation_assigned", reason=escalation.reason, team=escalation.team, by=by, to=to or "nobody")


def _require_free(escalation: Escalation, *allowed: str) -> None:
    if escalation.owner and escalation.owner not in allowed:
        since = f" since {escalation.owned_since:%Y-%m-%d %H:%M} UTC" if escalation.owned_since else ""
        raise Rejection(f"{escalation.owner} has it{since}; take it over explicitly (take_over)")


def _take(draft: Draft, escalation: Escalation, owner: str, by: str) -> None:
    taken = replace(
        escalation,
        state="acknowledged",
        next_level=None,
        next_reminder=None,
        snoozed_until=None,
        by=by,
        owner=owner,
        owned_since=draft.at,
        acknowledged=escalation.acknowledged or draft.at,
    )
    draft.put_escalation("acknowledged", draft.at, taken)
    to = owner if owner != by else ""
    draft.log(
        "escalation_acknowledged", reason=escalation.reason, team=escalation.team, by=by, was=escalation.owner, to=to
    )


def _called_from_now(escalation: Escalation, team: Team, at: datetime) -> Escalation:
    """The escalation open at its first level, as if opened now."""
    return replace(
        escalation,
        state="open",
        level=0,
        snoozed_until=None,
        called_since=at,
        next_level=first_level(team, at),
        next_reminder=first_reminder(team, at),
    )


def comment(draft: Draft, escalation: Escalation, words: str, by: str) -> None:
    """Add a comment; nothing else changes."""
    commented = replace(escalation, comment=words, commented_by=by, commented_at=draft.at)
    draft.put_escalation("commented", draft.at, commented)
    draft.log("escalation_comment", reason=escalation.reason, team=escalation.team, by=by, comment=words)


def reopen(draft: Draft, escalation: Escalation, by: str, holder: str = "", *, take_over: bool = False) -> None:
    """Undo acknowledging, snoozing or resolving: it calls its team as if opened now, and has no owner.

    Raises Rejection where another one was opened for the same reason since, or a person other than `holder` has it.
    """
    current = draft.order.escalations.get(escalation_key(escalation.team, escalation.reason))
    if current and current.id != escalation.id:
        raise Rejection("another escalation of this order for the same reason is open by now; act on that one")
    if current and current.state == "open":
        raise Rejection("it is open already")
    if escalation.team not in draft.workflow.teams:
        raise Rejection(f"the pack has no team {escalation.team} any more; report the issue anew")
    if current and not take_over:
        _require_free(current, by, holder)
    again = replace(current or escalation, owner="", owned_since=None, by=by)
    again = _called_from_now(again, draft.workflow.teams[again.team], draft.at)
    draft.put_escalation("reopened", draft.at, again)
    draft.log("escalation_reopened", reason=again.reason, team=again.team, by=by)


def snooze(draft: Draft, escalation: Escalation, until: datetime, by: str) -> None:
    """Snooze it until then (UTC); raises Rejection for a time that is not ahead."""
    if until <= draft.now:
        raise Rejection(f"until: {until.isoformat()} is not in the future")
    draft.put_escalation("snoozed", draft.at, replace(escalation, state="snoozed", snoozed_until=until, by=by))
    draft.log("escalation_snoozed", reason=escalation.reason, team=escalation.team, until=until.isoformat(), by=by)


def resolve(draft: Draft, escalation: Escalation, by: str, comment: str) -> None:
    """Resolve it, by a person."""
    _resolve(draft, escalation, draft.at, comment or "resolved by a person", by)


def _resolve(draft: Draft, escalation: Escalation, at: datetime, why: str, by: str) -> None:
    settled = replace(
        escalation,
        state="resolved",
        next_level=None,
        next_reminder=None,
        snoozed_until=None,
        detail=why,
        opened_with=escalation.detail,
        by=by,
    )
    draft.put_escalation("resolved", at, settled)
    draft.log("escalation_resolved", at, reason=escalation.reason, team=escalation.team, why=why, by=by)


def next_due(escalation: Escalation) -> datetime | None:
    """The next due time of this escalation."""
    if escalation.state == "snoozed":
        return escalation.snoozed_until
    times = [t for t in (escalation.next_level, escalation.next_reminder) if t]
    return min(times, default=None)


def call_again(draft: Draft) -> None:
    """Have each due escalation call its team once, however many calls came due since.

    It calls at the level that is due now, and the next call counts from now: calls missed in an outage are skipped.
    """
    for escalation in list(draft.order.escalations.values()):
        due = next_due(escalation)
        if due is not None and due <= draft.now:
            _call(draft, escalation, due)


def _call(draft: Draft, escalation: Escalation, due: datetime) -> None:
    team = draft.workflow.teams[escalation.team]
    kind, called, at = called_again(escalation, team, due, draft.now)
    details: dict[str, object] = {"reason": escalation.reason, "team": team.name}
    if kind == "raised":
        details |= {"level": called.level, "to": team.levels[called.level - 1].to}
    if escalation.state == "snoozed":
        details["why"] = "its snooze is over"
    elif at != due:
        details["why"] = "once, for all that came due while nobody looked"
    draft.put_escalation(kind, at, called)
    draft.log(f"escalation_{kind}", at, **details)


def called_again(
    escalation: Escalation, team: Team, due: datetime, now: datetime
) -> tuple[EscalationChangeKind, Escalation, datetime]:
    """The call that was due then: its kind, the escalation after it, and the moment that it counts from."""
    level, since = escalation.level, escalation.called_since or escalation.opened
    while level < len(team.levels) and since + team.levels[level].after <= now:
        level += 1
    reminder, at = _next_reminder(escalation, team, due, now)
    called = replace(
        escalation,
        state="open",
        level=level,
        snoozed_until=None,
        next_level=since + team.levels[level].after if level < len(team.levels) else None,
        next_reminder=reminder,
    )
    return "raised" if level > escalation.level else "reminded", called, at


def _next_reminder(
    escalation: Escalation, team: Team, due: datetime, now: datetime
) -> tuple[datetime | None, datetime]:
    """When the next reminder comes, and the moment that this call counts from: its due time, or now if it is late."""
    if team.remind_every is None:
        return None, due
    planned = escalation.next_reminder if escalation.state != "snoozed" else None
    if planned is not None and planned > now:
        return planned, due
    rhythm = (planned or due) + team.remind_every
    return (rhythm, due) if rhythm > now else (now + team.remind_every, now)

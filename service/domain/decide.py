"""`decide`: what one cause does to one order. Pure: no I/O, no clock, no randomness."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from service.domain import escalation as escalations
from service.domain import lifecycle, planning, sla
from service.domain.causes import (
    Cause,
    ClockDue,
    EscalationHandled,
    Happened,
    IssueRaised,
    MessageSettled,
    NoticeOrdered,
)
from service.domain.draft import Decision, Draft
from service.domain.errors import Rejection
from service.domain.events import Event, Issue, IssueReportedData, NoteAddedData, StatusChangedData
from service.domain.notices import REACHED
from service.domain.order import Order, filled, merged
from service.domain.workflow import Workflow

MAX_AHEAD: Final = timedelta(minutes=5)


def decide(order: Order | None, cause: Cause, workflow: Workflow, now: datetime, new_id: UUID) -> Decision:
    """What `cause` leads to. `new_id` names the order if this is its first event; raises Rejection."""
    if isinstance(cause, Happened):
        return _on_event(order, cause.event, workflow, now, new_id)
    if order is None:
        raise Rejection("no such order")
    draft = Draft(order, workflow, now, now)
    sla.tick(draft, planning.tell, now)
    match cause:
        case MessageSettled():
            _on_message(draft, cause)
        case NoticeOrdered():
            _on_manual_notice(draft, cause)
        case IssueRaised():
            _escalate(draft, cause.reason, "reason", cause.detail, cause.by)
        case EscalationHandled():
            _on_escalation(draft, cause)
        case ClockDue():
            pass
    return draft.decision()


def _on_event(order: Order | None, event: Event, workflow: Workflow, now: datetime, new_id: UUID) -> Decision:
    if event.time > now + MAX_AHEAD:
        ahead = round((event.time - now).total_seconds())
        raise Rejection(f"time: {event.time.isoformat()} is {ahead} s in the future; at most 300 s are taken")
    at = min(event.time, now)
    data = event.data
    if isinstance(data, StatusChangedData):
        lifecycle.require_known("status", data.status, workflow.statuses, "data.status")
        if order is None:
            return _first_event(event, data, workflow, now, at, new_id)
        return _next_event(Draft(order, workflow, now, at), event, data)
    if order is None:
        raise Rejection(f"subject: no order {event.order_id!r} is known; its first event must give its status")
    draft = Draft(order, workflow, now, at)
    sla.tick(draft, planning.tell, at)
    draft.order = merged(draft.order, data)
    draft.log(event.type.partition(".")[2], by=_actor(event), event=event.id, note=_note(event))
    if isinstance(data, IssueReportedData):
        _report(draft, data.issue, _actor(event))
    if isinstance(data, NoteAddedData):
        draft.set(note=data.note)
    sla.sync(draft, by_event=True)
    return draft.decision()


def _first_event(
    event: Event, data: StatusChangedData, workflow: Workflow, now: datetime, at: datetime, new_id: UUID
) -> Decision:
    lifecycle.check_start(workflow, data.status)
    status = workflow.statuses[data.status]
    order = Order(
        id=new_id,
        workflow=workflow.name,
        order_id=event.order_id,
        version=workflow.version,
        status=status.name,
        stage=status.stage,
        created=at,
        updated=now,
        event_time=event.time,
        status_since=at,
        stage_since=at,
    )
    draft = Draft(merged(order, data), workflow, now, at)
    adopted = data.status not in workflow.starts
    draft.log(
        "adopted" if adopted else "status_changed",
        to=status.name,
        stage=status.stage,
        by=_actor(event),
        event=event.id,
        note=_note(event),
        pack=workflow.version,
    )
    draft.set(note=data.note)
    _tell_all(draft, status.tells, event, data)
    sla.sync(draft, by_event=True)
    return draft.decision()


def _next_event(draft: Draft, event: Event, data: StatusChangedData) -> Decision:
    before, workflow = draft.order, draft.workflow
    if event.time < before.event_time:
        draft.order = filled(before, data)
        draft.log(
            "late_event",
            status=data.status,
            by=_actor(event),
            event=event.id,
            note=_note(event),
            why="an event that happened later was applied before",
        )
        sla.sync(draft, by_event=False)
        return draft.decision("late")
    move = lifecycle.check_move(workflow, before.status, data.status)
    sla.tick(draft, planning.tell, draft.at)
    draft.order = merged(draft.order, data)
    draft.set(event_time=event.time, note=data.note)
    status = workflow.statuses[data.status]
    if move == "enter":
        changes: dict[str, object] = {"status": status.name, "stage": status.stage, "status_since": draft.at}
        if status.stage != before.stage:
            changes["stage_since"] = draft.at
        draft.set(**changes)
        draft.log(
            "status_changed",
            was=before.status,
            to=status.name,
            stage=status.stage,
            by=_actor(event),
            event=event.id,
            note=_note(event),
            pack=workflow.version,
        )
    else:
        draft.log("data_updated", status=status.name, by=_actor(event), event=event.id, note=_note(event))
    tells = list(status.tells) if move == "enter" else []
    for name in _told_by_reassignment(draft, before):
        tells = [t for t in tells if t not in workflow.notices[name].replaces] + [name]
    _tell_all(draft, tells, event, data)
    sla.sync(draft, by_event=True)
    return draft.decision()


def _told_by_reassignment(draft: Draft, before: Order) -> list[str]:
    """Notices for a changed assignee, while the order is open."""
    old, new = before.assignee, draft.order.assignee
    if old is None or new is None or (old.role, old.id) == (new.role, new.id):
        return []
    if draft.workflow.is_final(draft.order.status):
        return []
    draft.set(previous_assignee=old.name)
    draft.log("reassigned", role=new.role, was=old.name or old.id, to=new.name or new.id)
    return [n.name for n in draft.workflow.notices.values() if n.on_assignee_change == new.role]


def _tell_all(draft: Draft, names: tuple[str, ...] | list[str], event: Event, data: StatusChangedData) -> None:
    used = set()
    for name in names:
        secret = draft.workflow.notices[name].secret
        used.add(secret)
        planning.tell(draft, name, draft.at, secrets=data.secrets)
    for name in data.secrets:
        if name not in used:
            draft.log("secret_dropped", name=name, why="no notice of this event uses it")


def _report(draft: Draft, issue: Issue, by: str) -> None:
    _escalate(draft, issue.reason, "data.issue.reason", issue.detail, by)


def _escalate(draft: Draft, reason: str, where: str, detail: str, by: str) -> None:
    lifecycle.require_known("reason", reason, draft.workflow.reasons, where)
    escalations.open_or_join(draft, reason, draft.at, detail=detail, by=by or "a publisher")


def _on_message(draft: Draft, cause: MessageSettled) -> None:
    n = cause.notification
    if n.state in REACHED:
        sla.told(draft, n.notice_id, n.state)
        return
    if cause.drop_address and n.channel == "push":
        _drop_token(draft, n.audience, n.address)
    if n.state in ("failed", "undelivered"):
        planning.fall_back(draft, n, cause.siblings)


def _drop_token(draft: Draft, audience: str, token: str) -> None:
    people = tuple(
        replace(p, push_tokens=tuple(t for t in p.push_tokens if t != token))
        for p in draft.order.recipients.get(audience, ())
    )
    recipients: Mapping[str, object] = {**draft.order.recipients, audience: people}
    draft.set(recipients=recipients)
    draft.log("push_token_dropped", audience=audience, why="the app is no longer registered under it")


def _on_manual_notice(draft: Draft, cause: NoticeOrdered) -> None:
    manual = {n.name for n in draft.workflow.notices.values() if n.manual}
    lifecycle.require_known("manual notice", cause.reason, manual, "reason")
    known = draft.workflow.notices[cause.reason].channels
    for channel in cause.channels:
        lifecycle.require_known("channel", channel, known, "channels")
    planning.tell(draft, cause.reason, draft.now, channels=cause.channels, by=cause.by or "an agent")


def _on_escalation(draft: Draft, cause: EscalationHandled) -> None:
    found = escalations.find(draft.order, cause.escalation_id)
    if cause.act == "acknowledge":
        escalations.acknowledge(draft, found, cause.by)
    elif cause.act == "resolve":
        escalations.resolve(draft, found, cause.by, cause.comment)
    elif cause.until is None:
        raise Rejection("until: a time is needed to snooze an escalation")
    else:
        escalations.snooze(draft, found, cause.until, cause.by)


def _actor(event: Event) -> str:
    actor = event.data.actor
    return (actor.name or actor.id) if actor else ""


def _note(event: Event) -> str:
    return event.data.note.text if event.data.note else ""

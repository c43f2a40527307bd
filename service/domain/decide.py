"""`decide`: what one cause does to one order. Pure: no I/O, no clock, no randomness."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from service.domain import erasure, lifecycle, planning, sla, triggers
from service.domain import escalation as escalations
from service.domain.causes import (
    Cause,
    ClockDue,
    EscalationHandled,
    Happened,
    IssueRaised,
    LinkRevoked,
    MessageSettled,
    NoticeOrdered,
    PersonErased,
)
from service.domain.draft import Decision, Draft
from service.domain.errors import Rejection
from service.domain.events import Event, EventData, Issue, IssueReportedData, NoteAddedData, StatusChangedData
from service.domain.notices import ENDS, FALLS_AWAY, REACHED
from service.domain.order import Order, filled, merged, role_of
from service.domain.workflow import Workflow

MAX_AHEAD: Final = timedelta(minutes=5)


def decide(order: Order | None, cause: Cause, workflow: Workflow, now: datetime, new_id: UUID) -> Decision:
    """What `cause` leads to. `new_id` names the order if this is its first event; raises Rejection."""
    if isinstance(cause, Happened):
        return _on_event(order, cause.event, workflow, now, new_id)
    if order is None:
        raise Rejection("no such order")
    draft = Draft(order, workflow, now, now)
    _move_to_version(draft)
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
        case PersonErased():
            erasure.erase(draft, cause)
        case LinkRevoked():
            draft.set(links=order.links + 1)
            draft.log("links_revoked", by=cause.by)
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
        return _next_event(_draft(order, workflow, now, at), event, data)
    if order is None:
        raise Rejection(f"subject: no order {event.order_id!r} is known; its first event must give its status")
    draft = _draft(order, workflow, now, at)
    sla.tick(draft, planning.tell, at)
    before = draft.order
    draft.order = merged(before, data)
    draft.observe(before)
    public = bool(data.note and data.note.public)
    draft.log(event.type.partition(".")[2], by=_actor(event), event=event.id, note=_note(event), public=public)
    if isinstance(data, IssueReportedData):
        _report(draft, data.issue, _actor(event))
    if isinstance(data, NoteAddedData):
        draft.set(note=data.note, note_by=role_of(draft.order, data))
    tells = [*triggers.reassigned(draft, before), *triggers.noted(draft, data), *triggers.changed(draft, before)]
    _tell_all(draft, tells, data)
    sla.sync(draft, by_event=True)
    return draft.decision()


def _draft(order: Order, workflow: Workflow, now: datetime, at: datetime) -> Draft:
    draft = Draft(order, workflow, now, at)
    _move_to_version(draft)
    return draft


def _move_to_version(draft: Draft) -> None:
    """An order under way goes on by another version of its pack, where that pack says so."""
    order, workflow = draft.order, draft.workflow
    if order.version == workflow.version:
        return
    status = workflow.renamed.get(order.status, order.status)
    if status not in workflow.statuses:
        raise Rejection(f"the pack {workflow.version} has no status {status!r} and no new name for it")
    draft.set(version=workflow.version, status=status, stage=workflow.statuses[status].stage)
    draft.log("pack_changed", was=order.version, to=workflow.version, status=status)
    sla.sync(draft, by_event=False)


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
    draft.set(note=data.note, note_by=role_of(draft.order, data))
    draft.visit()
    draft.observe(None)
    _tell_all(draft, list(status.tells), data)
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
    draft.set(event_time=event.time, note=data.note, note_by=role_of(draft.order, data))
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
        draft.visit()
    else:
        draft.log("data_updated", status=status.name, by=_actor(event), event=event.id, note=_note(event))
    draft.observe(before)
    tells = list(status.tells) if move == "enter" else []
    _tell_all(draft, [*tells, *triggers.reassigned(draft, before), *triggers.changed(draft, before)], data)
    sla.sync(draft, by_event=True)
    return draft.decision()


def _tell_all(draft: Draft, names: list[str], data: EventData) -> None:
    used = set()
    for name in triggers.told_together(draft, names):
        used.add(draft.workflow.notices[name].secret)
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
    elif n.state in FALLS_AWAY and all(s.state in ENDS - REACHED for s in cause.siblings):
        sla.fell_away(draft, n.notice_id, n.error)


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
    if cause.act == "comment":
        draft.log("escalation_comment", reason=found.reason, team=found.team, by=cause.by, comment=cause.comment)
    elif cause.act == "acknowledge":
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

"""The effect of a publisher's event on its order: the first one creates it, later ones move it or add to it."""

from datetime import datetime, timedelta
from typing import Final, TypedDict
from uuid import UUID

from msgspec.structs import replace

from service.domain import attributes, growing, issues, notifying, replying, transitions, triggers, versions, wholes
from service.domain.causes import EventReceived
from service.domain.clocks import running
from service.domain.draft import Decision, Draft, OrderChanges
from service.domain.errors import Rejection
from service.domain.events import (
    Event,
    EventData,
    IssueReportedData,
    NoteAddedData,
    OrderUpdatedData,
    StatusChangedData,
)
from service.domain.order import Order, filled, role_of, updated
from service.domain.people import with_wishes
from service.domain.planning import NoticeOptions
from service.domain.quoting import reference
from service.domain.workflow import Workflow

MAX_AHEAD: Final = timedelta(minutes=5)


def receive(order: Order | None, cause: EventReceived, workflow: Workflow, new_id: UUID) -> Decision:
    """The decision about an event; `new_id`: the order's id, if this is its first event. Raises Rejection."""
    event, now = cause.event, cause.at
    if event.time > now + MAX_AHEAD:
        ahead = round((event.time - now).total_seconds())
        raise Rejection(f"time: {event.time.isoformat()} is {ahead} s in the future; at most 300 s are taken")
    # A time ahead of ours counts as the time of arrival, for the sequence of events as for clocks.
    at = min(event.time, now)
    data = _typed(event.data, workflow)
    parent = wholes.parent_of(order, event)
    if order is not None and order.parent != parent:
        order = replace(order, parent=parent)
    triggers.require_side(workflow, data.note)
    if isinstance(data, StatusChangedData):
        transitions.require_known("status", data.status, workflow.statuses, "data.status")
        if order is None:
            return _first_event(_new_order(cause, data, workflow, at, new_id), cause, data, workflow)
        return _next_event(_draft(order, workflow, cause, at), cause, data)
    if order is None:
        raise Rejection(
            f"subject: no order {reference(event.reference)} is known; its first event must give its status"
        )
    return _same_status(_draft(order, workflow, cause, at), cause, data)


def _same_status(
    draft: Draft, cause: EventReceived, data: NoteAddedData | IssueReportedData | OrderUpdatedData
) -> Decision:
    """The decision about an event without a status: a note, an issue, new data."""
    event, at = cause.event, draft.at
    notifying.tick(draft, at, plans=False)
    before = draft.begin_event()
    order, is_news = updated(before, data, at)
    draft.become(order)
    _wish(draft, cause)
    draft.observe(before)
    draft.log(_KINDS[event.type], **_details(draft, event))
    _warn(draft, event)
    rows = growing.grow(draft, data)
    if isinstance(data, OrderUpdatedData) and not is_news and not data.lists:
        running.sync(draft, by_event=False)
        return draft.decision("late")
    if isinstance(data, IssueReportedData):
        issues.report(draft, data.issue.reason, "data.issue.reason", data.issue.detail, _actor(event) or "a publisher")
    draft.set(note=data.note)
    alone = isinstance(data, NoteAddedData)
    replying.note_done(draft)
    derived = wholes.derive_anew(draft, before)
    noted = triggers.noted(draft, data) if alone else ()
    _plan_all(draft, [*noted, *derived, *_of_changes(draft, before), *rows], data)
    running.sync(draft, by_event=True)
    return draft.decision()


# The kinds of timeline lines of events without a status.
_KINDS: Final = {
    "order.note_added": "note_added",
    "order.issue_reported": "issue_reported",
    "order.updated": "data_updated",
}


def _of_changes(draft: Draft, before: Order) -> list[str]:
    """The notices for changes: of the assignee, and of watched values."""
    return [*triggers.reassigned(draft, before), *triggers.assigned(draft, before), *triggers.changed(draft, before)]


def _typed(data: EventData, workflow: Workflow) -> EventData:
    """The data with its attributes as the pack declares them; raises Rejection naming one that is of another type."""
    if not data.attributes or not workflow.attributes:
        return data
    return replace(data, attributes=attributes.checked(data.attributes, workflow.attributes, workflow.timezone))


def _draft(order: Order, workflow: Workflow, cause: EventReceived, at: datetime) -> Draft:
    draft = Draft(order, workflow, cause.at, at)
    draft.whole_told = cause.whole_told
    versions.move(draft)
    return draft


def _wish(draft: Draft, cause: EventReceived) -> None:
    """Apply what the event's people chose themselves on their preference pages."""
    if cause.wishes:
        draft.set(recipients=with_wishes(draft.order.recipients, cause.wishes))


def _new_order(cause: EventReceived, data: StatusChangedData, workflow: Workflow, at: datetime, new_id: UUID) -> Order:
    """The new order of a first event; raises Rejection for a status in which orders do not start."""
    transitions.check_start(workflow, data.status)
    status = workflow.statuses[data.status]
    return Order(
        id=new_id,
        workflow=workflow.name,
        reference=cause.event.reference,
        version=workflow.version,
        status=status.name,
        stage=status.stage,
        created=at,
        updated=cause.at,
        event_time=at,
        status_since=at,
        stage_since=at,
        parent=wholes.parent_of(None, cause.event),
    )


def _first_event(order: Order, cause: EventReceived, data: StatusChangedData, workflow: Workflow) -> Decision:
    event, at = cause.event, order.event_time
    status = workflow.statuses[data.status]
    draft = Draft(updated(order, data, at)[0], workflow, cause.at, at)
    draft.whole_told = cause.whole_told
    _wish(draft, cause)
    draft.before = None
    transitions.check_needs(workflow, draft.order, data, "")
    adopted = data.status not in workflow.starts
    draft.log(
        "adopted" if adopted else "status_changed",
        to=status.name,
        stage=status.stage,
        pack=workflow.version,
        **_details(draft, event),
    )
    _warn(draft, event)
    draft.set(note=data.note)
    draft.visit()
    draft.observe(None)
    notices = [*triggers.entered(draft, status), *triggers.assigned(draft, None), *growing.grow(draft, data)]
    _plan_all(draft, notices, data, first=True)
    running.sync(draft, by_event=True)
    return draft.decision()


def _next_event(draft: Draft, cause: EventReceived, data: StatusChangedData) -> Decision:
    event = cause.event
    before, workflow = draft.order, draft.workflow
    if draft.at < before.event_time:
        return _late_event(draft, event, data)
    move = transitions.check_move(workflow, before.status, data.status)
    notifying.tick(draft, draft.at, plans=False)
    draft.begin_event()
    draft.become(updated(draft.order, data, draft.at)[0])
    _wish(draft, cause)
    status = workflow.statuses[data.status]
    now_is: OrderChanges = {"event_time": draft.at, "note": data.note}
    if move != "repeat":
        now_is |= {"status": status.name, "stage": status.stage, "status_since": draft.at}
    draft.set(**now_is)
    if move != "repeat":
        transitions.check_needs(workflow, draft.order, data, before.status)
        draft.log(
            "status_changed" if move == "enter" else "status_repeated",
            was=before.status,
            to=status.name,
            stage=status.stage,
            pack=workflow.version,
            **_details(draft, event),
        )
        draft.visit()
    else:
        draft.log("data_updated", status=status.name, **_details(draft, event))
    _warn(draft, event)
    draft.observe(before)
    notices = triggers.entered(draft, status) if move != "repeat" else wholes.derive_anew(draft, before)
    if move == "again":
        running.begin_again(draft)
    replying.note_done(draft)
    _plan_all(draft, [*notices, *_of_changes(draft, before), *growing.grow(draft, data)], data)
    running.sync(draft, by_event=True)
    return draft.decision()


def _late_event(draft: Draft, event: Event, data: StatusChangedData) -> Decision:
    """An event that happened before the newest one that was applied fills gaps, and moves nothing."""
    draft.become(filled(draft.order, data))
    why = "an event that happened later was applied before"
    draft.log("late_event", status=data.status, why=why, **_details(draft, event))
    _warn(draft, event)
    growing.grow(draft, data)
    running.sync(draft, by_event=False)
    return draft.decision("late")


def _warn(draft: Draft, event: Event) -> None:
    """Log the event's warnings in the timeline; its publisher was told."""
    for warning in event.warnings:
        draft.log("warning", field=warning.field, why=warning.problem, event=event.id)


def _plan_all(draft: Draft, names: list[str], data: EventData, *, first: bool = False) -> None:
    """Tell these notices; a note goes with them, and by its own notice to audiences that are told nothing else.

    The note of a first event has no notice of its own: whoever creates an order knows what they wrote.
    """
    used, notified = set(), set[str]()
    for name in triggers.without_replaced(draft, names):
        used.add(draft.workflow.notices[name].secret)
        if notifying.notify(draft, name, draft.at, NoticeOptions(secrets=data.secrets)):
            notified |= {*draft.workflow.notices[name].audiences}
    if not first and not isinstance(data, NoteAddedData):
        for name in triggers.noted(draft, data):
            if notified.isdisjoint(draft.workflow.notices[name].audiences) and triggers.is_meant(draft, name):
                notifying.notify(draft, name, draft.at)
    for name in data.secrets:
        if name not in used:
            draft.log("secret_dropped", name=name, why="no notice of this event uses it")


def _actor(event: Event) -> str:
    actor = event.data.actor
    return (actor.name or actor.id) if actor else ""


class _EventDetail(TypedDict, total=False):
    """What a line of the timeline says about an event, whatever it did.

    `published_time`: the publisher's own time, where it is ahead of ours. `audience`: whom its note is for; `side`,
    `side_id`: who wrote it, as people who take part in an order see the public notes, and their own.
    """

    by: str
    event: str
    published_time: str
    part_of: str
    public: bool | None
    note: str
    audience: str
    side: str
    side_id: str
    attachments: list[dict[str, str]]


def _details(draft: Draft, event: Event) -> _EventDetail:
    note, actor = event.data.note, event.data.actor
    is_public = bool(note and note.public)
    details: _EventDetail = {
        "by": _actor(event),
        "event": event.id,
        "published_time": event.time.isoformat() if event.time > draft.now else "",
        "part_of": event.data.parent.order_id if event.data.parent else "",
        # Always said of events without a status.
        "public": is_public or (None if isinstance(event.data, StatusChangedData) else False),
    }
    if note is None:
        return details
    details |= {
        "note": note.text,
        "audience": note.to,
        "side": role_of(draft.order, event.data),
        "side_id": actor.id if actor else "",
    }
    if note.attachments:
        details["attachments"] = [{"id": a.id, "name": a.name} for a in note.attachments]
    return details

"""What a clock does when it warns or is due: breach, tell, escalate, publish; each only while its condition holds."""

from collections.abc import Callable
from datetime import datetime
from typing import Literal
from uuid import UUID

from msgspec import to_builtins
from msgspec.structs import replace

from service.domain import escalation as escalations
from service.domain import ladders, triggers
from service.domain.clocks.kinds import KINDS
from service.domain.clocks.kinds.follow_up import ready_at
from service.domain.conditions.judging import why_not
from service.domain.conditions.tree import Condition
from service.domain.draft import ClockEvent, Draft
from service.domain.order import Clock
from service.domain.promises import ClockSpec, Escalate, Publish

Notify = Callable[[Draft, str, datetime], UUID | None]


def ring(draft: Draft, key: str, clock: Clock, due: datetime, notify: Notify) -> None:
    """Do what the clock does at `due`: its warning where that is before its own due time, else its breach or plan."""
    if clock.climb:
        ladders.ring(draft, clock)
        return
    spec = draft.workflow.clocks.get(clock.spec)
    if spec is None:
        draft.drop_clock(key, replace(clock, state="cancelled", stopped=draft.now, why="no longer in the pack"))
        return
    if due < clock.due:
        draft.put_clock(key, replace(clock, warned=True))
        draft.log("clock_warned", due, clock=spec.name, due=clock.due.isoformat())
        if spec.notify_at_warning and draft.now < clock.due:  # a warning of what has happened since helps nobody
            _tell(draft, notify, spec.notify_at_warning, spec.warn_when, due)
        _publish(draft, spec.publish_at_warning, clock, "warning", due)
        return
    if not KINDS[spec.kind].is_promise:
        _plan_due(draft, spec, key, clock, notify)
        return
    late = (draft.now - clock.due).total_seconds()
    draft.put_clock(key, replace(clock, state="breached", warned=True, noticed_late_s=late))
    started = clock.started.isoformat()
    draft.log("clock_breached", due, clock=spec.name, started=started, noticed_late_s=round(late, 3))
    if spec.escalate:
        _escalate(draft, spec.escalate, clock, due)
    if spec.notify:
        _tell(draft, notify, spec.notify, spec.notify_when, due)
    _publish(draft, spec.publish, clock, "due", due)


def _plan_due(draft: Draft, spec: ClockSpec, key: str, clock: Clock, notify: Notify) -> None:
    """A reminder or a follow-up tells, unless it is too late for that, or too early in the day for a follow-up."""
    due = clock.due
    if draft.now - due > spec.late_by:
        draft.put_clock(key, replace(clock, state="cancelled", stopped=draft.now, why="noticed too late"))
        draft.log(f"{spec.kind}_skipped", draft.now, clock=spec.name, due=due.isoformat(), why="noticed too late")
        return
    if spec.kind == "follow_up" and (ready := ready_at(draft, spec, due)) > draft.now:
        draft.put_clock(key, replace(clock, due=ready))
        draft.log("clock_moved", draft.now, clock=spec.name, due=ready.isoformat(), why="quiet or closed until then")
        return
    draft.put_clock(key, replace(clock, state="met", stopped=due, why="told"))
    if spec.escalate:
        _escalate(draft, spec.escalate, clock, due)
    _publish(draft, spec.publish, clock, "due", due)
    told = _tell(draft, notify, spec.notify, spec.notify_when, due) if spec.notify else None
    if told and spec.kind == "follow_up":
        draft.put_clock(key, replace(clock, state="met", stopped=due, why="told", told=told))


def _tell(draft: Draft, notify: Notify, notice: str, when: Condition | None, due: datetime) -> UUID | None:
    return notify(draft, notice, due) if triggers.is_meant(draft, notice, when, due) else None


def _publish(draft: Draft, what: Publish | None, clock: Clock, moment: Literal["warning", "due"], at: datetime) -> None:
    """Tell the order system. The id is the clock's own, so that nobody acts twice by it."""
    if what is None:
        return
    if why := why_not(what.when, draft.situation()):
        draft.log("event_skipped", at, clock=clock.spec, type=what.type, why=why)
        return
    values = {name: to_builtins(draft.order.value(path)) for name, path in what.values.items()}
    event = ClockEvent(f"{clock.id}.{moment}", what.type, clock.spec, moment, at, clock.due, values)
    draft.clock_events.append(event)
    draft.log("event_published", at, clock=clock.spec, type=what.type)


def _escalate(draft: Draft, what: Escalate, clock: Clock, due: datetime) -> None:
    situation = draft.situation()
    if why := why_not(what.when, situation) or why_not(draft.workflow.reasons[what.reason].when, situation):
        draft.log("escalation_skipped", due, clock=clock.spec, reason=what.reason, why=why)
        return
    escalations.open_or_join(
        draft, what.reason, due, severity=what.severity, clock_id=clock.id, due=clock.due, detail=clock.why
    )

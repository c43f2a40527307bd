"""Running clocks: started, moved, paused and stopped by what happens to the order. Each breaches at most once.

A clock lives as long as its condition holds, and its state stands in the order (`Order.clocks`) alone: rows of the
ledger are written from it. `sync` brings the clocks in line with the order after every event; `promise` starts those of
a notice; `tick` does what is due. Times are UTC; a clock counts from the event's time, never later than its arrival.
"""

from datetime import datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from service.domain import escalation as escalations
from service.domain import ladders
from service.domain.clocks.acting import Notify, ring
from service.domain.clocks.kinds import KINDS
from service.domain.clocks.timing import has_length, later, left, warn_time
from service.domain.conditions.judging import holds
from service.domain.draft import Draft
from service.domain.order import Clock, ClockState, Order
from service.domain.promises import ClockSpec


def sync(draft: Draft, *, by_event: bool) -> None:
    """Start, move, pause, resume and stop the clocks that follow the order's status and dates."""
    status, running = draft.order.status, draft.order.clocks
    for spec in draft.workflow.clocks.values():
        # For most orders the status alone excludes most clocks.
        meant = not spec.statuses or status in spec.statuses or spec.name in running
        if meant and KINDS[spec.kind].follows_order:
            _sync_one(draft, spec, by_event)


def _sync_one(draft: Draft, spec: ClockSpec, by_event: bool) -> None:
    order = draft.order
    clock = order.clocks.get(spec.name)
    kind = KINDS[spec.kind]
    basis = kind.basis(spec, order, draft.workflow.timezone) if _applies(draft, spec) else None
    if basis is None:
        if clock:
            stop(draft, spec.name, clock, draft.at, "the order moved on")
        return
    if clock and spec.reset_by_any_event and by_event:
        stop(draft, spec.name, clock, draft.at, "something happened")
        clock, basis = None, draft.at
    if clock is None:
        _arm(draft, spec, basis)
    elif kind.restarts(clock.basis, basis):
        stop(draft, spec.name, clock, draft.at, "the date was moved", moved=True)
        _arm(draft, spec, basis)
    else:
        _pause_or_resume(draft, spec, _relengthened(draft, spec, clock))


def _relengthened(draft: Draft, spec: ClockSpec, clock: Clock) -> Clock:
    """The clock with a new due time, when another length applies to the order by now."""
    if not _may_be_relengthened(spec) or clock.basis is None or clock.state != "running" or clock.left_s:
        return clock
    due = KINDS[spec.kind].due(spec, draft.order, clock.basis)
    if due == clock.due:
        return clock
    moved = replace(clock, due=due, warn=warn_time(spec, draft.order, clock.started, due), warned=False)
    draft.put_clock(spec.name, moved)
    draft.log("clock_moved", clock=spec.name, due=due.isoformat(), why="the order is of another kind than was known")
    return moved


def _may_be_relengthened(spec: ClockSpec) -> bool:
    calendars = [c for c in (spec.calendar, *(spec.calendar_by.calendars.values() if spec.calendar_by else ())) if c]
    return bool(spec.variants or spec.calendar_by or spec.length_from or any(c.zone_from for c in calendars))


def _applies(draft: Draft, spec: ClockSpec) -> bool:
    if not _is_meant(draft, spec):
        return False
    return bool(spec.statuses) or not (draft.workflow.is_final(draft.order.status) and KINDS[spec.kind].ends_with_order)


def _is_meant(draft: Draft, spec: ClockSpec) -> bool:
    """Whether the clock applies to the order now."""
    if (spec.statuses and draft.order.status not in spec.statuses) or not has_length(spec, draft.order):
        return False
    if spec.when is None and spec.unless is None:
        return True
    situation = draft.situation()
    return holds(spec.when, situation) and (spec.unless is None or not holds(spec.unless, situation))


def _arm(draft: Draft, spec: ClockSpec, basis: datetime) -> None:
    kind = KINDS[spec.kind]
    due = kind.due(spec, draft.order, basis)
    if kind.only_ahead and due <= draft.now:
        draft.log("reminder_skipped", clock=spec.name, due=due.isoformat(), why="its moment is already past")
        # Kept as a stopped clock, so that later events of the same date do not arm it again.
        draft.put_clock(spec.name, _clock(draft, spec, draft.at, due, basis=basis, state="cancelled"))
        return
    clock = _clock(draft, spec, kind.started(basis, draft.at), due, basis=basis)
    draft.put_clock(spec.name, clock)
    _pause_or_resume(draft, spec, clock)


def _clock(
    draft: Draft,
    spec: ClockSpec,
    started: datetime,
    due: datetime,
    *,
    basis: datetime | None = None,
    notice_id: UUID | None = None,
    state: ClockState = "running",
) -> Clock:
    return Clock(
        id=draft.next_id(),
        spec=spec.name,
        started=started,
        due=due,
        warn=warn_time(spec, draft.order, started, due),
        basis=basis,
        notice_id=notice_id,
        state=state,
        stopped=draft.now if state == "cancelled" else None,
    )


def _pause_or_resume(draft: Draft, spec: ClockSpec, clock: Clock) -> None:
    pausing = draft.order.status in spec.paused_in
    if pausing and clock.state == "running":
        seconds = left(spec, draft.order, draft.at, clock.due).total_seconds()
        draft.put_clock(spec.name, replace(clock, state="paused", left_s=seconds))
        draft.log("clock_paused", clock=spec.name, left_s=round(seconds))
    elif not pausing and clock.state == "paused":
        due = later(spec, draft.order, draft.at, timedelta(seconds=clock.left_s))
        warn = _moved_warning(spec, draft, clock)
        draft.put_clock(spec.name, replace(clock, state="running", due=due, warn=warn))
        draft.log("clock_resumed", clock=spec.name, due=due.isoformat())


def _moved_warning(spec: ClockSpec, draft: Draft, clock: Clock) -> datetime | None:
    """When a resumed clock warns: the same working time before its breach as before."""
    if clock.warn is None or clock.warned:
        return clock.warn
    ahead = timedelta(seconds=clock.left_s) - left(spec, draft.order, clock.warn, clock.due)
    return later(spec, draft.order, draft.at, max(ahead, timedelta(0)))


def promise(draft: Draft, notice: str, notice_id: UUID, at: datetime) -> None:
    """Start the clocks that wait for this notice to reach its reader; it was called for at `at` (UTC)."""
    for spec in draft.workflow.clocks_of[notice]:
        kind = KINDS[spec.kind]
        if not kind.follows_order and _is_meant(draft, spec):
            due = kind.due(spec, draft.order, at)
            draft.put_clock(f"{spec.name}#{notice_id}", _clock(draft, spec, at, due, notice_id=notice_id))


def fell_away(draft: Draft, notice_id: UUID, why: str) -> None:
    """The notice was called off: cancel its clock, and resolve the escalation that it raised."""
    for key, clock in list(draft.order.clocks.items()):
        if clock.notice_id == notice_id and clock.climb is None:
            stop(draft, key, clock, draft.at, why, moved=True)


def held_up(draft: Draft, notice_id: UUID, why: str) -> None:
    """The notice is held: its clock runs on, and its breach will say so."""
    for key, clock in list(draft.order.clocks.items()):
        if clock.notice_id == notice_id and clock.state == "running" and clock.climb is None:
            draft.put_clock(key, replace(clock, why=why))


def notified(draft: Draft, notice_id: UUID, how: str) -> None:
    """A message of this notice was sent or delivered: its clock is met."""
    for key, clock in list(draft.order.clocks.items()):
        if clock.notice_id != notice_id or clock.climb:
            continue
        spec = draft.workflow.clocks.get(clock.spec)
        if spec is None or spec.until == "sent" or how in ("delivered", "read", "bundled"):
            stop(draft, key, clock, draft.at, f"the message was {how}")


def stop(draft: Draft, key: str, clock: Clock, at: datetime, why: str, *, moved: bool = False) -> None:
    """End a clock: `met` when it had not breached, `cancelled` when it was moved or is no longer wanted.

    An escalation that only this clock had raised is resolved.
    """
    state: ClockState = clock.state if clock.state in ("breached", "met", "cancelled") else "met"
    spec = draft.workflow.clocks.get(clock.spec)
    if state == "met" and clock.state != "met" and (moved or (spec and not KINDS[spec.kind].is_promise)):
        state = "cancelled"
    draft.drop_clock(key, replace(clock, state=state, stopped=at, why=why))
    if clock.told:
        draft.call_off(clock.told, why)
        ladders.end(draft, clock.told, why)
    if spec is None or spec.escalate is None or spec.escalate.auto_resolve:
        escalations.clock_ended(draft, clock.id, at, why)


def begin_again(draft: Draft) -> None:
    """The status was entered again: restart the clocks that count from entering it."""
    for spec in draft.workflow.clocks.values():
        clock = draft.order.clocks.get(spec.name)
        if clock and KINDS[spec.kind].begins_again and spec.statuses == {draft.order.status}:
            stop(draft, spec.name, clock, draft.at, "the status was entered again")


def next_due(clock: Clock) -> datetime | None:
    """The next due time of this clock: its warning, then its breach."""
    if clock.state != "running":
        return None
    return clock.warn if clock.warn and not clock.warned and clock.warn < clock.due else clock.due


def wake_at(order: Order) -> datetime | None:
    """The next moment (UTC) at which `tick` would do something to this order."""
    first: datetime | None = None
    for clock in order.clocks.values():
        due = next_due(clock)
        if due is not None and (first is None or due < first):
            first = due
    for escalation in order.escalations.values():
        due = escalations.next_due(escalation)
        if due is not None and (first is None or due < first):
            first = due
    return first


def tick(draft: Draft, notify: Notify, until: datetime, *, plans: bool = True) -> None:
    """Do everything that is due by `until` (UTC): the clocks in due order, then the calls of escalations.

    Without `plans`, promises only. Calls are for people now: an old event out of a backlog does not repeat them.
    """
    while (first := _first_due(draft, until, plans)) is not None:
        key, clock, due = first
        ring(draft, key, clock, due, notify)
    if until >= draft.now:
        escalations.call_again(draft)


def _first_due(draft: Draft, until: datetime, plans: bool) -> tuple[str, Clock, datetime] | None:
    first: tuple[str, Clock, datetime] | None = None
    for key, clock in draft.order.clocks.items():
        moment = next_due(clock)
        if moment is None or moment > until or (first is not None and moment >= first[2]):
            continue
        if plans or _is_promise(draft, clock):
            first = key, clock, moment
    return first


def _is_promise(draft: Draft, clock: Clock) -> bool:
    spec = draft.workflow.clocks.get(clock.spec)
    return clock.climb is None and (spec is None or KINDS[spec.kind].is_promise)

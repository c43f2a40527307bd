"""Effects of a part's change on its whole: recorded there, and the whole's status derived by its pack's rules. Pure.

A derived status is entered like any other: by an allowed transition, with its notices, clocks and visit.
"""

from datetime import datetime
from decimal import Decimal, InvalidOperation
from math import ceil
from typing import Final

from service.domain import notifying, transitions, triggers, versions
from service.domain.causes import PartChanged
from service.domain.clocks import running
from service.domain.conditions.judging import holds
from service.domain.draft import Decision, Draft
from service.domain.errors import Rejection
from service.domain.events import Event, EventData, OrderUpdatedData
from service.domain.order import Order
from service.domain.parts import MAX_PARTS, OrderRef, Part, PartRule, with_part
from service.domain.quoting import quoted, reference
from service.domain.workflow import Workflow

PARENT: Final = "data.parent"


def parent_given(data: EventData) -> OrderRef | None:
    """The parent that an event names; None where it names none."""
    given = data.parent or None
    return OrderRef(given.workflow, given.order_id) if given else None


def parent_of(order: Order | None, event: Event) -> OrderRef | None:
    """The parent of the event's order from now on; raises Rejection for an impossible one."""
    given = parent_given(event.data)
    if given is None:
        return order.parent if order else None
    if given == OrderRef(event.data.workflow, event.reference):
        raise Rejection(f"{PARENT}: an order cannot be a part of itself")
    if order is not None and order.parent not in (None, given):
        raise Rejection(f"{PARENT}: the order is a part of another one already, which cannot change")
    if order is not None and order.parts:
        raise Rejection(f"{PARENT}: the order has parts itself; a part cannot have parts")
    return given


def require_whole(parent: OrderRef, workflow: Workflow | None, part: OrderRef) -> None:
    """Raises Rejection if orders of `workflow` (the parent's; None: not installed) cannot have such a part."""
    if parent == part:
        raise Rejection(f"{PARENT}: an order cannot be a part of itself")
    if workflow is None:
        raise Rejection(f"{PARENT}.workflow: unknown workflow {quoted(parent.workflow)}")
    if workflow.parts is None:
        raise Rejection(f"{PARENT}.workflow: orders of {workflow.name} have no parts; its pack needs the key 'parts'")
    if part.workflow not in workflow.parts.of:
        known = ", ".join(sorted(workflow.parts.of))
        raise Rejection(f"{PARENT}.workflow: parts of {workflow.name} are {known}, not {quoted(part.workflow)}")


def as_part(order: Order, workflow: Workflow) -> Part:
    """An order as its whole knows it."""
    return Part(
        workflow=order.workflow,
        reference=order.reference,
        status=order.status,
        stage=order.stage,
        since=order.status_since,
        final=workflow.is_final(order.status),
        failed=workflow.stages[order.stage].failed,
        eta=order.eta,
    )


def receive_part(order: Order, cause: PartChanged, workflow: Workflow) -> Decision:
    """Record the part's state in the whole, and derive its status; raises Rejection where it can have no such part."""
    at = max(min(cause.happened, cause.at), order.event_time)
    draft = Draft(order, workflow, cause.at, at)
    versions.move(draft)
    was = _known(order, cause.part)
    if was is None:
        _require_room(draft, cause.part)
    notifying.tick(draft, at, plans=False)
    before = draft.begin_event()
    draft.set(parts=with_part(before.parts, cause.part), note=None)
    draft.log(
        "part_changed",
        part=cause.part.reference,
        workflow=cause.part.workflow,
        was=was.status if was else "",
        to=cause.part.status,
        stage=cause.part.stage,
        event=cause.event,
    )
    moved = was is None or was.status != cause.part.status
    entered = derive(draft, cause.part.reference) if moved else []
    tell(draft, [*entered, *triggers.changed(draft, before)])
    running.sync(draft, by_event=True)
    return draft.decision()


def derive_anew(draft: Draft, before: Order) -> list[str]:
    """Derive the status anew where the whole's own event changed the expected number of parts; the notices to tell."""
    rules = draft.workflow.parts
    if rules is None or not rules.expected or not draft.order.parts:
        return []
    return derive(draft, "") if before.value(rules.expected) != draft.order.value(rules.expected) else []


def _known(order: Order, part: Part) -> Part | None:
    return next((p for p in order.parts if p.ref == part.ref), None)


def _require_room(draft: Draft, part: Part) -> None:
    order = draft.order
    require_whole(order.ref, draft.workflow, part.ref)
    if order.parent is not None:
        raise Rejection(f"{PARENT}: order {reference(order.reference)} is a part itself; a part cannot have parts")
    if len(order.parts) >= MAX_PARTS:
        raise Rejection(f"{PARENT}: order {reference(order.reference)} has {MAX_PARTS} parts, the most possible")


def derive(draft: Draft, part: str) -> list[str]:
    """Enter the status that the rules give after the change of `part`; the notices to tell."""
    rule = _rule_of(draft)
    if rule is None or rule.to == draft.order.status:
        return []
    workflow, before = draft.workflow, draft.order
    status = workflow.statuses[rule.to]
    try:
        if transitions.check_move(workflow, before.status, rule.to) != "enter":
            return []
        draft.set(status=status.name, stage=status.stage, status_since=draft.at, event_time=draft.at)
        transitions.check_needs(workflow, draft.order, OrderUpdatedData(workflow=workflow.name), before.status)
    except Rejection as rejection:
        draft.order = before
        draft.log("derived_status_kept", to=rule.to, part=part, rule=rule.summary, why=rejection.reason)
        return []
    draft.log(
        "status_changed",
        was=before.status,
        to=status.name,
        stage=status.stage,
        pack=workflow.version,
        part=part,
        rule=rule.summary,
        why="derived from its parts",
    )
    draft.visit()
    draft.observe(before)
    return triggers.entered(draft, status)


def _rule_of(draft: Draft) -> PartRule | None:
    rules = draft.workflow.parts
    if rules is None:
        return None
    order, situation = draft.order, draft.situation()
    expected = _number(order.value(rules.expected)) if rules.expected else 0
    return next((r for r in rules.rules if r.fits(order.parts, expected) and holds(r.when, situation)), None)


def _number(value: object) -> int:
    """A number of expected parts: of a number, a list's length, or a numeric text; 0 for anything else."""
    if isinstance(value, (list, tuple)):
        return len(value)
    try:
        return ceil(Decimal(str(value)))
    except (InvalidOperation, ValueError, OverflowError):
        return 0


def tell(draft: Draft, names: list[str]) -> None:
    """Tell these notices of the whole order."""
    for name in triggers.without_replaced(draft, names):
        notifying.notify(draft, name, draft.at)


def told_by(decision: Decision) -> frozenset[str]:
    """The notices that this decision tells to anybody."""
    return frozenset(n.name for n in decision.notices if any(m.state != "suppressed" for m in n.messages))


def happened_at(cause: object, now: datetime) -> tuple[datetime, str]:
    """When the cause of a part's change happened (UTC), and the id of its event."""
    event = getattr(cause, "event", None)
    return (min(event.time, now), event.id) if isinstance(event, Event) else (now, "")

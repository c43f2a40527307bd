"""What people do to an order themselves: offered by role and status, made into an event like any publisher's. Pure.

An act can do nothing that an event could not: the event that it becomes is decided as every other.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import UNSET, Struct

from service.domain.acts import SETTABLE, Act
from service.domain.errors import NotNow, Rejection
from service.domain.events import EventType
from service.domain.json_object import JsonObject
from service.domain.order import Order
from service.domain.replies import MatchingAct
from service.domain.workflow import Status, Workflow

_EVENTS: Final[Mapping[str, EventType]] = {
    "change_status": "order.status_changed", "create": "order.status_changed", "assign": "order.updated",
    "set_dates": "order.updated", "quote": "order.updated", "note": "order.note_added", "comment": "order.note_added",
}  # fmt: skip


class StatusOffered(Struct, frozen=True):
    """A status that may be entered now, and what entering it needs."""

    status: str
    needs: list[str]


class Offer(Struct, frozen=True):
    """An act that somebody may do now.

    `to`: statuses to choose from; `roles`: whom one may assign, all if empty; `sets`: what may be given with it.
    """

    act: str
    to: list[StatusOffered]
    roles: list[str]
    sets: list[str]


class NotAllowed(Rejection):
    """Their role may not do this, whatever the order's status."""


def offered(workflow: Workflow, order: Order, roles: frozenset[str]) -> list[Offer]:
    """What somebody with these roles may do to the order as it is now."""
    return [
        _offer(workflow, order, act)
        for act in workflow.acts.values()
        if act.name != "create" and act.roles & roles and _is_possible(workflow, order, act)
    ]


def is_offered(workflow: Workflow, order: Order, wanted: MatchingAct, roles: frozenset[str]) -> bool:
    """Whether they may do now what a reply asks for."""
    return any(
        offer.act == wanted.act and (not wanted.status or wanted.status in {s.status for s in offer.to})
        for offer in offered(workflow, order, roles)
    )


def _is_possible(workflow: Workflow, order: Order, act: Act) -> bool:
    return order.status in act.statuses and (act.name != "change_status" or bool(_enterable(workflow, order, act)))


def _offer(workflow: Workflow, order: Order, act: Act) -> Offer:
    to = _enterable(workflow, order, act) if act.name == "change_status" else []
    offers = [StatusOffered(s.name, needs_of(s, order.status)) for s in to]
    return Offer(act.name, offers, list(act.to) if act.name == "assign" else [], list(act.sets))


def _enterable(workflow: Workflow, order: Order, act: Act) -> list[Status]:
    allowed = workflow.moves[order.status]
    return [s for name, s in workflow.statuses.items() if name in allowed and (not act.to or name in act.to)]


def needs_of(status: Status, origin: str) -> list[str]:
    """What entering it from there needs, by path."""
    return [n.path for n in status.needs if not n.origins or origin in n.origins]


def allowed(workflow: Workflow, order: Order | None, name: str, roles: frozenset[str]) -> Act:
    """The act, if they may do it to this order now; raises NotAllowed, NotNow."""
    act = workflow.acts.get(name)
    if act is None or not act.roles & roles:
        who = f"; {' and '.join(sorted(act.roles))} may" if act else ""
        raise NotAllowed(f"act: {name!r} of a {workflow.name} order is not for you{who}")
    if order is not None and order.status not in act.statuses:
        known = ", ".join(s for s in workflow.statuses if s in act.statuses)
        raise NotNow(f"act: {name!r} is not done in {order.status!r}; it is in {known}")
    return act


class Given(Struct, frozen=True):
    """What goes with an act, as an event's data says it; UNSET or empty where it is not given."""

    status: str = ""
    note: Any = UNSET
    assignee: Any = UNSET
    eta: Any = UNSET
    appointment: Any = UNSET
    price: Any = UNSET
    attributes: JsonObject = {}
    recipients: Any = UNSET
    brand: Any = UNSET


def event_of(workflow: Workflow, act: Act, order: Order | None, given: Given) -> tuple[EventType, JsonObject]:
    """The type and data of the event that an act is; raises Rejection for what is missing, or nobody asked for."""
    _require(act, given)
    data: JsonObject = {"workflow": workflow.name}
    if act.name in ("change_status", "create"):
        data["status"] = given.status
        _check_status(workflow, act, order, given.status)
    settable = (*act.sets, *_needed(workflow, order, given))
    for path in SETTABLE:
        if (value := getattr(given, path)) is not UNSET:
            _check_settable(act, path, settable)
            data[path] = value
    for name in given.attributes:
        _check_settable(act, f"attributes.{name}", settable)
    if given.attributes:
        data["attributes"] = given.attributes
    for part in ("note", "assignee", "recipients", "brand"):
        if (value := getattr(given, part)) is not UNSET:
            if part in ("recipients", "brand") and act.name != "create":
                raise Rejection(f"{part}: goes with 'create' alone")
            data[part] = value
    return _EVENTS[act.name], data


def _require(act: Act, given: Given) -> None:
    needed = {"change_status": "status", "create": "status", "assign": "assignee", "note": "note", "comment": "note"}
    part = needed.get(act.name)
    if part and getattr(given, part) in (UNSET, "", None):
        raise Rejection(f"{part}: is needed for {act.name!r}")
    is_empty = not given.attributes and all(getattr(given, path) is UNSET for path in SETTABLE)
    if act.name in ("set_dates", "quote") and is_empty:
        raise Rejection(f"{act.name}: give one of {', '.join(act.sets)}")
    role = given.assignee.get("role") if isinstance(given.assignee, dict) else ""
    if act.name == "assign" and act.to and role not in act.to:
        raise Rejection(f"assignee.role: one of {', '.join(act.to)} is expected")


def _check_status(workflow: Workflow, act: Act, order: Order | None, status: str) -> None:
    if status in workflow.statuses and act.to and status not in act.to:
        raise NotNow(f"status: {status!r} is not entered by hand; {', '.join(act.to)} may be")
    if order is not None and status in workflow.statuses and status not in workflow.moves[order.status]:
        following = ", ".join(s for s in workflow.statuses if s in workflow.moves[order.status]) or "nothing"
        raise NotNow(f"status: {status!r} cannot follow {order.status!r}; allowed: {following}")


def _needed(workflow: Workflow, order: Order | None, given: Given) -> list[str]:
    status = workflow.statuses.get(given.status)
    return needs_of(status, order.status if order else "") if status else []


def _check_settable(act: Act, path: str, settable: Sequence[str]) -> None:
    if path not in settable:
        known = ", ".join(settable) or "nothing"
        raise Rejection(f"{path}: is not given with {act.name!r}; {known} may be")

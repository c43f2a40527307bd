"""Acts of people on an order: offered by role and status, and turned into an event like a publisher's. Pure.

An act can do nothing that an event could not: its event is decided like any other.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import UNSET, Struct, structs

from service.domain import transitions
from service.domain.acts import SETTABLE, TAKES, Act
from service.domain.errors import NotNow, Rejection
from service.domain.events import EventType, Note
from service.domain.json_object import JsonObject
from service.domain.order import Order
from service.domain.replies import MatchingAct
from service.domain.workflow import Status, Workflow

CREATE: Final = "create"
ASSIGN: Final = "assign"
_EVENTS: Final[Mapping[str, EventType]] = {
    "change_status": "order.status_changed", "create": "order.status_changed", "assign": "order.updated",
    "set_dates": "order.updated", "quote": "order.updated", "note": "order.note_added", "comment": "order.note_added",
}  # fmt: skip


class StatusOffered(Struct, frozen=True):
    """A status that may be entered now: its button's title, the values that entering it needs, and optional ones."""

    status: str
    needs: list[str]
    title: str = ""
    sets: list[str] = []


class Offer(Struct, frozen=True):
    """An act that somebody may do now.

    `to`: statuses to choose from; `roles`: whom one may assign, all if empty; `sets`: what may be given with it;
    `sides`: whom a comment may be for.
    """

    act: str
    to: list[StatusOffered]
    roles: list[str]
    sets: list[str]
    title: str = ""
    sides: list[str] = []


class NotAllowed(Rejection):
    """The caller's role may not do this, whatever the order's status."""


def offered(workflow: Workflow, order: Order, roles: frozenset[str]) -> list[Offer]:
    """The acts that these roles may do to the order now; none where its status was renamed in the pack."""
    if order.status not in workflow.moves:
        return []
    return [
        _offer(workflow, order, act, roles)
        for act in workflow.acts.values()
        if act.name != CREATE and act.roles & roles and _is_possible(workflow, order, act, roles)
    ]


def is_offered(workflow: Workflow, order: Order, wanted: MatchingAct, roles: frozenset[str]) -> bool:
    """Whether these roles may do now the act that a reply asks for."""
    return any(
        offer.act == wanted.act and (not wanted.status or wanted.status in {s.status for s in offer.to})
        for offer in offered(workflow, order, roles)
    )


def _is_possible(workflow: Workflow, order: Order, act: Act, roles: frozenset[str]) -> bool:
    return order.status in act.statuses and (
        act.name != "change_status" or bool(_enterable(workflow, order, act, roles))
    )


def _offer(workflow: Workflow, order: Order, act: Act, roles: frozenset[str]) -> Offer:
    entered = _enterable(workflow, order, act, roles) if act.name == "change_status" else []
    return Offer(
        act.name,
        [_status_offered(workflow, act, s, order.status) for s in entered],
        list(act.to) if act.name == ASSIGN else [],
        list(act.sets),
        workflow.title_in(act.titles, workflow.default_locale, ""),
        sides(workflow, order) if act.name == "comment" else [],
    )


def _status_offered(workflow: Workflow, act: Act, status: Status, origin: str) -> StatusOffered:
    entry = act.entries.get(status.name)
    title = workflow.title_in(entry.titles, workflow.default_locale, "") if entry else ""
    return StatusOffered(status.name, needs_of(status, origin), title, list(act.may_set(status.name)))


def _enterable(workflow: Workflow, order: Order, act: Act, roles: frozenset[str]) -> list[Status]:
    allowed = workflow.moves[order.status]
    again = {order.status} if workflow.statuses[order.status].on_repeat == "notify" else set[str]()
    return [
        s for name, s in workflow.statuses.items() if name in allowed | again and _is_theirs(workflow, act, s, roles)
    ]


def _is_theirs(workflow: Workflow, act: Act, status: Status, roles: frozenset[str]) -> bool:
    if (act.to and status.name not in act.to) or code_of(workflow, status):
        return False
    entry = act.entries.get(status.name)
    return entry is None or not entry.roles or bool(entry.roles & roles)


def code_of(workflow: Workflow, status: Status) -> str:
    """The one-time code that a notice of this status carries, by name; codes come with events only, never by hand."""
    return next((secret for name in status.notices if (secret := workflow.notices[name].secret)), "")


def by_events_alone(workflow: Workflow, order: Order) -> list[str]:
    """The following statuses that cannot be entered by hand, as they need a code."""
    following = workflow.moves[order.status]
    return [name for name, s in workflow.statuses.items() if name in following and code_of(workflow, s)]


def sides(workflow: Workflow, order: Order) -> list[str]:
    """The audiences that a public note may be for, in this status."""
    notices = ((n.on_note, n.audiences) for n in workflow.notices.values() if n.on_note)
    fitting = (names for on, names in notices if on.public and (not on.statuses or order.status in on.statuses))
    return list(dict.fromkeys(name for names in fitting for name in names))


def needs_of(status: Status, origin: str) -> list[str]:
    """The paths of the values that entering a status from another one needs."""
    return [n.path for n in status.needs if not n.origins or origin in n.origins]


def allowed(workflow: Workflow, order: Order | None, name: str, roles: frozenset[str]) -> Act:
    """The act, if these roles may do it to this order now; raises NotAllowed, NotNow."""
    transitions.require_known("act", name, TAKES, "act")
    act = workflow.acts.get(name)
    if act is None or not act.roles & roles:
        who = f"; {' and '.join(sorted(act.roles))} may" if act else ""
        raise NotAllowed(f"act: {name!r} of a {workflow.name} order is not for you{who}")
    if order is not None and order.status not in act.statuses:
        known = ", ".join(s for s in workflow.statuses if s in act.statuses)
        raise NotNow(f"act: {name!r} is not done in {order.status!r}; it is in {known}")
    return act


class Given(Struct, frozen=True):
    """The values given with an act, in the form of an event's data; UNSET or empty where not given."""

    status: str = ""
    note: Any = UNSET
    assignee: Any = UNSET
    eta: Any = UNSET
    appointment: Any = UNSET
    price: Any = UNSET
    attributes: JsonObject = {}
    recipients: Any = UNSET
    brand: Any = UNSET


def event_of(
    workflow: Workflow, act: Act, order: Order | None, given: Given, roles: frozenset[str]
) -> tuple[EventType, JsonObject]:
    """The type and data of an act's event; raises Rejection for a missing value, or one that the act does not take."""
    if act.name == CREATE and not given.status:
        given = structs.replace(given, status=_only_start(workflow, act))
    _require(act, given)
    data: JsonObject = {"workflow": workflow.name}
    if act.name in ("change_status", CREATE):
        data["status"] = given.status
        _check_status(workflow, act, order, given.status, roles)
    settable = (*act.may_set(given.status), *_needed(workflow, order, given))
    for path in SETTABLE:
        if (value := getattr(given, path)) is not UNSET:
            _check_settable(act, path, settable)
            data[path] = value
    for name in given.attributes:
        _check_settable(act, f"attributes.{name}", settable)
    if given.attributes:
        data["attributes"] = given.attributes
    if given.assignee is not UNSET:
        _check_assignee(workflow, act, order, given, settable, roles)
    for part in ("note", "assignee", "recipients", "brand"):
        if (value := getattr(given, part)) is not UNSET:
            if part in ("recipients", "brand") and act.name != CREATE:
                raise Rejection(f"{part}: goes with 'create' alone")
            data[part] = value
    if act.name == "comment" and isinstance(given.note, Note):
        # A comment to no particular side is a note.
        data["note"] = structs.replace(given.note, public=True)
    return _EVENTS[act.name], data


def _only_start(workflow: Workflow, act: Act) -> str:
    """The status in which orders created by hand start, where there is only one."""
    starts = act.to or tuple(workflow.starts)
    return starts[0] if len(starts) == 1 else ""


def _require(act: Act, given: Given) -> None:
    needed = {"change_status": "status", CREATE: "status", ASSIGN: "assignee", "note": "note", "comment": "note"}
    part = needed.get(act.name)
    if part and getattr(given, part) in (UNSET, "", None):
        raise Rejection(f"{part}: is needed for {act.name!r}")
    if part == "note" and isinstance(given.note, Note) and not given.note.text.strip():
        raise Rejection("note: some words are expected")
    is_empty = not given.attributes and all(getattr(given, path) is UNSET for path in SETTABLE)
    if act.name in ("set_dates", "quote") and is_empty:
        raise Rejection(f"{act.name}: give one of {', '.join(act.sets)}")


def _check_assignee(
    workflow: Workflow,
    act: Act,
    order: Order | None,
    given: Given,
    settable: Sequence[str],
    roles: frozenset[str],
) -> None:
    """Only those who may assign may set an assignee together with another act; raises Rejection."""
    assigning = workflow.acts.get(ASSIGN)
    may = (
        assigning is not None
        and bool(assigning.roles & roles)
        and (order is None or order.status in assigning.statuses)
    )
    if act.name not in (ASSIGN, CREATE) and not may:
        _check_settable(act, "assignee", settable)
    expected = assigning.to if assigning else ()
    role = given.assignee.get("role") if isinstance(given.assignee, dict) else ""
    if expected and given.assignee is not None and role not in expected:
        raise Rejection(f"assignee.role: one of {', '.join(expected)} is expected")


def _check_status(workflow: Workflow, act: Act, order: Order | None, status: str, roles: frozenset[str]) -> None:
    known = workflow.statuses.get(status)
    if known is None:
        # An unknown status is refused as for any event.
        return
    if code := code_of(workflow, known):
        raise NotNow(f"status: {status!r} is never entered by hand: an event brings it with its code (secrets.{code})")
    if act.to and status not in act.to:
        raise NotNow(f"status: {status!r} is not entered by hand; {', '.join(act.to)} may be")
    if not _is_theirs(workflow, act, known, roles):
        raise NotAllowed(f"status: {status!r} is not for you; {' and '.join(sorted(act.entries[status].roles))} may")
    if order is None:
        return
    try:
        move = transitions.check_move(workflow, order.status, status)
    except Rejection as refused:
        raise NotNow(refused.reason.removeprefix("data.")) from None
    if move == "repeat":
        raise NotNow(f"status: the order is already {status!r}")


def _needed(workflow: Workflow, order: Order | None, given: Given) -> list[str]:
    status = workflow.statuses.get(given.status)
    return needs_of(status, order.status if order else "") if status else []


def _check_settable(act: Act, path: str, settable: Sequence[str]) -> None:
    if path not in settable:
        known = ", ".join(settable) or "nothing"
        raise Rejection(f"{path}: is not given with {act.name!r}; {known} may be")

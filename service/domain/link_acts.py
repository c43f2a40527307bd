"""Acts of assignees on their page: offered by role and status, and turned into an event. Pure.

The event is decided like any other. One-time codes never come this way.
"""

from msgspec import UNSET, structs

from service.domain.acting import Given, code_of, needs_of
from service.domain.acts import SETTABLE, LinkAct, LinkChoice
from service.domain.errors import NotNow, Rejection
from service.domain.events import EventType
from service.domain.json_object import JsonObject
from service.domain.order import ASSIGNEE, Order
from service.domain.workflow import Workflow


def offered(workflow: Workflow, order: Order) -> list[LinkAct]:
    """The buttons that the order's assignee has now, each with its possible choices."""
    found = (_possible(workflow, order, act) for act in workflow.link_acts if _is_theirs(workflow, act, order))
    return [act for act in found if act.choices]


def has_page(workflow: Workflow, role: str) -> bool:
    """Whether assignees in this role have a page."""
    return any(act.role in (role, ASSIGNEE) for act in workflow.link_acts)


def _is_theirs(workflow: Workflow, act: LinkAct, order: Order) -> bool:
    if order.assignee is None or act.role not in (order.assignee.role, ASSIGNEE):
        return False
    return order.status in act.statuses and order.status in workflow.moves


def _possible(workflow: Workflow, order: Order, act: LinkAct) -> LinkAct:
    return structs.replace(act, choices=tuple(c for c in act.choices if _may_be(workflow, order, c)))


def _may_be(workflow: Workflow, order: Order, choice: LinkChoice) -> bool:
    if choice.reason:
        return True
    return choice.status in workflow.moves[order.status] and not code_of(workflow, workflow.statuses[choice.status])


def needed(workflow: Workflow, order: Order, act: LinkAct) -> list[str]:
    """The paths of the values that must be given with it: the pack's, and those that one of its statuses needs."""
    statuses = (workflow.statuses[c.status] for c in act.choices if c.status)
    return list(dict.fromkeys((*act.needs, *(n for s in statuses for n in needs_of(s, order.status)))))


def event_of(workflow: Workflow, order: Order, name: str, choice: str, given: Given) -> tuple[EventType, JsonObject]:
    """The type and data of the button's event; raises NotNow, and Rejection for a missing value."""
    act = next((a for a in offered(workflow, order) if a.name == name), None)
    if act is None:
        raise NotNow(f"act: {name!r} is not done in {order.status!r}")
    chosen = next((c for c in act.choices if c.name == choice), None)
    if chosen is None:
        if len(act.choices) > 1 or choice:
            raise Rejection("choice: choose one of these")
        chosen = act.choices[0]
    data: JsonObject = {"workflow": workflow.name}
    if chosen.status:
        data["status"] = chosen.status
    for path in (*SETTABLE, "note"):
        if (value := getattr(given, path)) is not UNSET:
            data[path] = value
    if given.attributes:
        data["attributes"] = given.attributes
    for path in (*act.needs, *(needs_of(workflow.statuses[chosen.status], order.status) if chosen.status else ())):
        _require(path, given)
    if not chosen.reason:
        return "order.status_changed", data
    data["issue"] = {"reason": chosen.reason, "detail": given.note.text if given.note is not UNSET else ""}
    return "order.issue_reported", data


def _require(path: str, given: Given) -> None:
    head, _, attribute = path.partition(".")
    value = given.attributes.get(attribute) if head == "attributes" else getattr(given, path)
    if value in (UNSET, None, "", [], {}):
        raise Rejection(f"{path}: is needed")

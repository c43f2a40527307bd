"""Plays scenarios by acts only: what people do at the desk, as their pack allows, instead of a publisher's events.

Acts cannot do everything: one-time codes and later recipients come by events, issues are reported.
"""

from typing import Any

from msgspec import UNSET, structs

from service.domain.acting import CREATE, Given, allowed, code_of, event_of
from service.domain.acts import SETTABLE, TAKES, Act
from service.domain.errors import Rejection
from service.domain.order import Order
from service.domain.workflow import Workflow
from service.workflows.packs import Pack
from tests.support.events import NOON, event
from tests.support.life import Life
from tests.support.scenarios import Played, as_event, at, surround

STAFF = frozenset({"agent", "supervisor", "admin"})
ALICE = {"id": "key:alice", "name": "Alice", "role": "agent"}


def opened(pack: Pack, case: dict[str, Any]) -> Pack:
    """The pack with its acts allowed in every status and with every value that this case uses."""
    w = pack.workflow
    said = {name for line in case["events"] for name in line.get("attributes", {})}
    sets = (*SETTABLE, "assignee", *(f"attributes.{name}" for name in said | w.attributes.keys()))
    everywhere = frozenset(w.statuses)
    mine = {name: w.acts.get(name) or Act(name, STAFF, everywhere) for name in TAKES}
    acts = {name: structs.replace(a, statuses=everywhere, sets=sets) for name, a in mine.items()}
    acts[CREATE] = structs.replace(acts[CREATE], to=())
    return Pack(structs.replace(w, acts=acts), pack.templates)


def play_by_hand(life: Life, workflow: str, case: dict[str, Any]) -> Played:
    """Play the whole case directly against `decide`."""
    surround(life, case)
    refused = []
    for line in case["events"]:
        life.travel_to(NOON + at(line["at"]))
        try:
            _do(life, workflow, line)
        except Rejection as rejection:
            refused.append(rejection.reason)
    if "until" in case:
        life.travel_to(NOON + at(case["until"]))
    return Played(life.view(), refused, life.mails)


def _do(life: Life, workflow: str, line: dict[str, Any]) -> None:
    said = as_event(workflow, line, "S-1")
    data = said["data"]
    if "issue" in data:
        life.report(data["issue"]["reason"], "Alice", data["issue"].get("detail", ""))
        life.settle()
    elif _is_code(life.pack.workflow, data) or ("recipients" in data and life.order is not None):
        life.take(said)
    else:
        name = _act(life.pack.workflow, life.order, data)
        status = data.get("status", "") if name in ("change_status", CREATE) else ""
        parts = {f: data[f] for f in Given.__struct_fields__ if f in data and f != "status"}
        doing = allowed(life.pack.workflow, life.order, name, STAFF)
        kind, act = event_of(life.pack.workflow, doing, life.order, Given(status=status, **parts), STAFF)
        act["actor"] = data.get("actor", ALICE)
        life.take(event("S-1", act.pop("status", None), at(line["at"]), kind=kind, **act))


def _is_code(workflow: Workflow, data: dict[str, Any]) -> bool:
    status = workflow.statuses.get(data.get("status", ""))
    return status is not None and bool(code_of(workflow, status))


def _act(workflow: Workflow, order: Order | None, data: dict[str, Any]) -> str:
    if order is None:
        return CREATE
    on_repeat = workflow.statuses[order.status].on_repeat or ("update" if workflow.repeat_updates else "reject")
    repeats = data.get("status") == order.status and on_repeat == "update"
    if "status" in data and not repeats:
        return "change_status"
    if "note" in data:
        return "note"
    return (
        "assign"
        if data.get("assignee", UNSET) is not UNSET and not data.keys() & {*SETTABLE, "attributes"}
        else "set_dates"
    )

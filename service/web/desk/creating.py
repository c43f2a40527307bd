"""Creating orders at the desk, by a form built from the pack."""

import base64
import secrets
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from aiohttp import web

from service.domain.acting import CREATE, code_of
from service.domain.acts import Act
from service.domain.calendars import zone_of
from service.domain.errors import Rejection
from service.domain.events import PersonGiven
from service.domain.order import OrderRef
from service.domain.workflow import Workflow
from service.intake.acts import DESK
from service.web.act_inputs import ActInput, Asking, Kind, given_in, names_one, retyped
from service.web.acts import act
from service.web.auth import roles_of
from service.web.context import CALLER
from service.web.desk.act_forms import WORDS, ActForm
from service.web.desk.acts import ABOUT_IT, parts_of_refusal
from service.web.desk.orders import path_of
from service.web.desk.page import render
from service.web.known import workflows_of
from service.web.once import once_by_form
from service.web.page_values import PageValues
from service.web.params import Form, form_of
from service.web.problems import Problem
from service.web.schemas.acts import ActOrder

# Eight characters of base32 (RFC 4648, §6): 40 bits.
RANDOM_BYTES: Final = 5
PEOPLE: Final = "people"
_PARTS: Final[tuple[tuple[str, str, Kind], ...]] = (
    ("name", "Name", "text"),
    ("phone", "Phone", "phone"),
    ("email", "Mail address", "email"),
)


def may_create(request: web.Request) -> list[Workflow]:
    """The workflows in which the caller may create orders."""
    roles = roles_of(request[CALLER])
    return [w for w in workflows_of(request) if (found := w.acts.get(CREATE)) and found.roles & roles]


async def choose(request: web.Request) -> web.StreamResponse:
    """Choose the workflow of the new order; where there is only one, show its form."""
    found = may_create(request)
    if len(found) == 1:
        raise web.HTTPSeeOther(f"/desk/new/{found[0].name}")
    return await render(
        request, "new_orders.html.j2", {"choices": [(w.name, _title(w)) for w in found]}, here="/desk/orders"
    )


async def show_form(request: web.Request) -> web.StreamResponse:
    """The form."""
    workflow, doing = _found(request)
    return await _shown(request, workflow, ActForm(CREATE, CREATE, "", _title(workflow), _inputs(workflow, doing)))


async def create(request: web.Request) -> web.StreamResponse:
    """Create the order, and show it."""
    return await once_by_form(request, _create)


async def _create(request: web.Request) -> web.StreamResponse:
    form = await form_of(request)
    workflow, doing = _found(request)
    inputs = _inputs(workflow, doing)
    ref = OrderRef(workflow.name, f"{doing.prefix}-{base64.b32encode(secrets.token_bytes(RANDOM_BYTES)).decode()}")
    try:
        given = given_in(form, inputs, workflow.attributes, zone_of(form.get("zone", ""), workflow.timezone))
        people = _people(doing, form)
        act_order = ActOrder(CREATE, status=form.get("status", ""), recipients=people, **given)
        await act(request, ref, act_order, DESK)
    except (Problem, Rejection) as problem:
        status, why, _ = parts_of_refusal(problem)
        if status not in ABOUT_IT:
            raise
        refilled = retyped(inputs, form, why)
        again = ActForm(CREATE, CREATE, "", _title(workflow), refilled, "" if names_one(refilled) else why)
        return await _shown(request, workflow, again, status)
    raise web.HTTPSeeOther(path_of(*ref))


async def _shown(request: web.Request, workflow: Workflow, form: ActForm, status: int = 200) -> web.StreamResponse:
    groups: dict[str, list[ActInput]] = {}
    for i in form.inputs:
        groups.setdefault(i.path.partition(".")[2] if i.path.startswith(PEOPLE) else "", []).append(i)
    values: PageValues = {"f": form, "w": workflow, "groups": groups, "pack_zone": workflow.timezone}
    values["failed"] = status != 200
    return await render(request, "new_order.html.j2", values, here="/desk/orders", status=status)


def _found(request: web.Request) -> tuple[Workflow, Act]:
    """The workflow that the path names, and its act; raises Problem."""
    name = request.match_info["workflow"]
    if all(w.name != name for w in workflows_of(request)):
        raise Problem(404, "No such workflow", "there is no workflow of this name")
    workflow = next((w for w in may_create(request) if w.name == name), None)
    if workflow is None:
        raise Problem(403, "Not allowed", f"your role may not create {name} orders; see the pack's acts: create")
    return workflow, workflow.acts[CREATE]


def _title(workflow: Workflow) -> str:
    found = workflow.acts[CREATE].titles
    return workflow.title_in(found, workflow.default_locale, "") or f"New order: {workflow.title}"


def _inputs(workflow: Workflow, doing: Act) -> list[ActInput]:
    starts = [s for s in workflow.statuses if s in (doing.to or workflow.starts)]
    starts = [s for s in starts if not code_of(workflow, workflow.statuses[s])]
    choices = tuple((s, s.replace("_", " ").capitalize()) for s in starts)
    # With only one there is nothing to choose.
    status = ActInput(
        "status", "status", "Status", "choice", True, choices if len(starts) > 1 else (), "".join(starts[:1])
    )
    asking = Asking(workflow, workflow.default_locale, WORDS)
    people = [i for audience in doing.people for i in _person(workflow, audience)]
    return [status, *people, *asking.inputs([*doing.sets, "note"])]


def _person(workflow: Workflow, audience: str) -> Iterator[ActInput]:
    path = f"{PEOPLE}.{audience}"
    for part, title, kind in _PARTS:
        yield ActInput(f"{path}.{part}", path, title, kind)
    if len(workflow.locales) > 1:
        yield ActInput(
            f"{path}.locale", path, "Language", "choice", False, tuple((tag, tag) for tag in workflow.locales)
        )


def _people(doing: Act, form: Form) -> dict[str, PersonGiven | list[PersonGiven] | None]:
    """The people of whom anything was filled in."""
    parts: Sequence[str] = ("name", "phone", "email", "locale")
    found: dict[str, PersonGiven | list[PersonGiven] | None] = {}
    for audience in doing.people:
        fields = {part: text for part in parts if (text := form.get(f"{PEOPLE}.{audience}.{part}", "").strip())}
        if fields.keys() - {"locale"}:
            found[audience] = msgspec.convert(fields, PersonGiven)
    return found

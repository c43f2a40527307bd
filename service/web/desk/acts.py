"""Acting on an order at the desk: what its page's forms do, and the page again where an act was refused."""

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from service.domain.calendars import zone_of
from service.domain.errors import Rejection
from service.domain.events import AssigneeGiven
from service.domain.json_object import JsonObject
from service.domain.transitions import require_known
from service.intake.acts import DESK
from service.web.act_inputs import ActInput, given_in
from service.web.acts import act
from service.web.context import CALLER, CONTEXT
from service.web.desk.act_forms import happened, refused
from service.web.desk.orders import page_values, path_of, template_for
from service.web.desk.page import render
from service.web.desk.titles import Titles
from service.web.escalation_acts import ActDetails, handle
from service.web.once import once_by_form
from service.web.orders import order_ref
from service.web.page_values import PageValues
from service.web.params import Form, form_of, whole_number
from service.web.party_view import actor_of
from service.web.problems import Problem
from service.web.schemas.acts import ActOrder

TAKING: Final = ("take", "take_over", "back")
MOST_LINES: Final = 1_000_000
# Refusals of the act itself; an unavailable service is reported as everywhere else.
ABOUT_IT: Final = frozenset({400, 403, 409, 422})


async def work_on(request: web.Request) -> web.StreamResponse:
    """Perform the act, and show the order again."""
    return await once_by_form(request, _work_on)


async def _work_on(request: web.Request) -> web.StreamResponse:
    form, ref = await form_of(request), order_ref(request)
    values = await page_values(request)
    try:
        found = next((f for f in values["work"].forms if f.key == form.get("form", "")), None)
        act_order = _act_order(request, form, found.inputs if found else (), values)
        await act(request, ref, act_order, DESK)
    except (Problem, Rejection) as problem:
        return await shown_again(request, form, problem)
    raise web.HTTPSeeOther(f"{path_of(*ref)}#work")


def _act_order(request: web.Request, form: Form, inputs: Sequence[ActInput], values: PageValues) -> ActOrder:
    """The act that the form describes; raises Rejection for a field that cannot be read."""
    name, _, status = form.get("form", "").partition(".")
    version = whole_number(form.get("version", ""), 0, MOST_LINES)
    workflow = values["workflow"]
    given = given_in(form, inputs, workflow.attributes, zone_of(form.get("zone", ""), workflow.timezone))
    if form.get("myself") == "yes":
        given["assignee"] = myself(request, form)
    return ActOrder(name, version=version, status=status, **given)


async def take(request: web.Request) -> web.StreamResponse:
    """Take an escalation of this order, take it over from whoever has it, or put it back; and show the order again."""
    return await once_by_form(request, _take)


async def _take(request: web.Request) -> web.StreamResponse:
    form, ref, me = await form_of(request), order_ref(request), request[CALLER].name
    act_name = form.get("act", "")
    require_known("act", act_name, TAKING, "act")
    details = {"take": ActDetails(), "take_over": ActDetails(to=me, take_over=True), "back": ActDetails()}[act_name]
    try:
        await handle(request, form.get("escalation", ""), "acknowledge" if act_name == "take" else "assign", details)
    except (Problem, Rejection) as problem:
        return await shown_again(request, form, problem)
    raise web.HTTPSeeOther(path_of(*ref))


def myself(request: web.Request, form: Form) -> AssigneeGiven:
    """The caller, as an assignee."""
    role = form.get("assignee.role", "")
    if not role:
        raise Rejection("assignee.role: choose your role")
    return AssigneeGiven(role, str(actor_of(request, None)["id"]), name=request[CALLER].name)


async def shown_again(request: web.Request, form: Form, problem: Problem | Rejection) -> web.StreamResponse:
    """The order's page with what was typed, why it was refused, and what has changed; raises any other problem."""
    status, why, members = parts_of_refusal(problem)
    if status not in ABOUT_IT:
        raise problem
    titles = Titles(request.app[CONTEXT].orders.packs)
    values = await page_values(request)
    lines = members.get("changed")
    changed = happened(titles, values["o"].workflow, lines if isinstance(lines, list) else ())
    why = "The order has changed since you opened it. Look at it again, then send it." if changed else why
    values |= {"work": refused(values["work"], form, why, changed), "failed": True}
    return await render(request, template_for(request), values, here="/desk/orders", status=status)


def parts_of_refusal(problem: Problem | Rejection) -> tuple[int, str, JsonObject]:
    """Status, text and members of a refusal."""
    if isinstance(problem, Problem):
        return problem.status, problem.detail, dict(problem.members)
    return 422, problem.reason, {}

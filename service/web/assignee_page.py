"""`/a/{token}`: where an assignee reports progress without an account. GET only shows; a POST acts, once."""

from collections.abc import Sequence
from typing import Final
from uuid import uuid4

from aiohttp import web
from msgspec import Struct

from service.domain import link_acts
from service.domain.acting import Given
from service.domain.acts import LinkAct
from service.domain.calendars import zone_of
from service.domain.errors import NotNow, Rejection
from service.domain.events import EventType
from service.domain.json_object import JsonObject
from service.domain.languages import region_of
from service.domain.order import Order
from service.domain.workflow import Workflow
from service.intake.acts import ASSIGNEE_PAGE, STALE
from service.intake.cloudevents import STRUCTURED
from service.intake.decoding import Acted, Incoming
from service.intake.verdicts import Verdict
from service.web.act_inputs import ActInput, Asking, given_in, names_one, retyped
from service.web.acts import TRIES, taken
from service.web.assignee_link import assigned_order
from service.web.brand_look import brand_of
from service.web.context import CONTEXT
from service.web.own_events import event_by
from service.web.page_values import PageValues
from service.web.params import Form, form_of
from service.web.problems import Problem
from service.web.tracking_link import gone, nearest_locale, page, wanted_languages, words_in
from service.workflows import cldr, filters

# Sent with each form that the page shows, so that a double tap counts once.
FORM: Final = "assignee form"
RESULTS: Final = ("taken", "again", "too_late")
CHOICE: Final = "choice"


class ActButton(Struct, frozen=True):
    """One act that may be done now. `form`: identifies this rendering of it; `problem`: why the last try failed."""

    name: str
    title: str
    form: str
    inputs: Sequence[ActInput]
    problem: str = ""


async def get_assignee_page(request: web.Request) -> web.StreamResponse:
    """Show the page, or that the link is wrong or has expired."""
    try:
        order, workflow = await assigned_order(request)
    except Problem as problem:
        return gone(request, problem)
    return _shown(request, order, workflow)


async def post_act(request: web.Request) -> web.StreamResponse:
    """Perform the act, and show the page again with its result."""
    try:
        order, workflow = await assigned_order(request)
    except Problem as problem:
        return gone(request, problem)
    form, name = await form_of(request), request.match_info["act"]
    try:
        result = await _done(request, form, name)
    except Problem as problem:
        # The order was assigned to somebody else meanwhile.
        if problem.status == 404:
            return gone(request, problem)
        raise
    except NotNow:
        result = _late(order, workflow, name)
    except Rejection as refused:
        # Read again: the problem is shown beside the order's current state.
        order, workflow = await assigned_order(request)
        return _shown(request, order, workflow, name, form, refused.reason)
    language = _asked_language(request, order, workflow)
    raise web.HTTPSeeOther(f"/a/{request.match_info['token']}?result={result}{language and f'&{language}'}")


async def _done(request: web.Request, form: Form, name: str) -> str:
    """Perform the act: `taken`, or `again` where it was done before. Raises NotNow, Rejection, Problem."""
    orders = request.app[CONTEXT].orders
    # The form's id is the event's id: sent twice, it counts once.
    event_id = str(orders.keyring.read_token(FORM, form.get("form", "")) or uuid4())
    for _ in range(TRIES):
        verdict = await _tried(request, form, name, event_id)
        if verdict.reason != STALE:
            break
    if verdict.outcome == "rejected":
        raise Rejection(verdict.reason.replace("data.", ""))
    return "again" if verdict.outcome == "duplicate" else "taken"


async def _tried(request: web.Request, form: Form, name: str, event_id: str) -> Verdict:
    order, workflow = await assigned_order(request)
    if workflow.is_final(order.status):
        raise NotNow("the order has ended")
    kind, data = _event(request, order, workflow, form, name)
    assert order.assignee is not None
    data["actor"] = {"id": order.assignee.id, "name": order.assignee.name, "role": order.assignee.role}
    body = event_by(request, order.ref, kind, data, ASSIGNEE_PAGE, event_id)
    return await taken(request, Incoming(body, STRUCTURED, acted=Acted(order.entries)))


def _event(
    request: web.Request, order: Order, workflow: Workflow, form: Form, name: str
) -> tuple[EventType, JsonObject]:
    act = next((a for a in link_acts.offered(workflow, order) if a.name == name), None)
    if act is None:
        raise NotNow(f"act: {name[:60]!r} is not offered")
    inputs = _inputs(request, order, workflow, act, _locale(request, order, workflow))
    given = given_in(form, inputs, workflow.attributes, zone_of(workflow.timezone))
    return link_acts.event_of(workflow, order, name, form.get(CHOICE, ""), Given(**given))


def _late(order: Order, workflow: Workflow, name: str) -> str:
    """Why an act is not offered any more: `again` where it was done before, else `too_late`."""
    meant = {c.status for a in workflow.link_acts if a.name == name for c in a.choices}
    return "again" if order.status in meant else "too_late"


def _shown(
    request: web.Request, order: Order, workflow: Workflow, tried: str = "", form: Form | None = None, problem: str = ""
) -> web.Response:
    locale, context = _locale(request, order, workflow), request.app[CONTEXT]
    ended = workflow.is_final(order.status)
    writing = cldr.writing(locale, region_of(locale))
    zone = zone_of(workflow.timezone)
    result = request.query.get("result", "")
    acts = () if ended else link_acts.offered(workflow, order)
    buttons = [_button(request, order, workflow, act, locale) for act in acts]
    if form is not None:
        buttons = [_tried_button(b, form, problem) if b.name == tried else b for b in buttons]
    values: PageValues = {
        "order": order,
        "stage": workflow.title_in(workflow.stages[order.stage].titles, locale, order.stage),
        "failed": workflow.stages[order.stage].failed,
        "ended": ended,
        "buttons": buttons,
        "when": lambda moment: filters.moment(moment.astimezone(zone), writing),
        "clock": lambda moment: filters.clock(moment.astimezone(zone), writing),
        "result": result if result in RESULTS else "",
        "token": request.match_info["token"],
        "asked": _asked_language(request, order, workflow),
    }
    brand = brand_of(workflow, order.brand, context.settings.brand)
    status = 410 if ended else 422 if form is not None else 200
    return page(request, "assignee.html.j2", values, locale, status=status, brand=brand)


def _button(request: web.Request, order: Order, workflow: Workflow, act: LinkAct, locale: str) -> ActButton:
    form = request.app[CONTEXT].orders.keyring.token(FORM, uuid4(), whole=True)
    title = workflow.title_in(act.titles, locale, act.name)
    return ActButton(act.name, title, form, _inputs(request, order, workflow, act, locale))


def _tried_button(b: ActButton, form: Form, problem: str) -> ActButton:
    inputs = retyped(b.inputs, form, problem)
    return ActButton(b.name, b.title, b.form, inputs, "" if names_one(inputs) else problem)


def _inputs(request: web.Request, order: Order, workflow: Workflow, act: LinkAct, locale: str) -> list[ActInput]:
    w = words_in(locale)
    words = {**w, "start": w["appointment"], "end": w["to"], "public": ""}
    choices: list[ActInput] = []
    if len(act.choices) > 1 or act.choices[0].name:
        pairs = tuple((c.name, workflow.title_in(c.titles, locale, c.name)) for c in act.choices)
        choices = [ActInput(CHOICE, CHOICE, w["choose"], "choice", True, pairs)]
    asking = Asking(workflow, locale, words, order)
    return [*choices, *asking.inputs(act.sets, link_acts.needed(workflow, order, act))]


def _asked_language(request: web.Request, order: Order, workflow: Workflow) -> str:
    """The query string that keeps the requested language through the form."""
    return f"lang={_locale(request, order, workflow)}" if "lang" in request.query else ""


def _locale(request: web.Request, order: Order, workflow: Workflow) -> str:
    """The locale requested, else the assignee's, else the browser's."""
    known = order.assignee.locale if order.assignee else None
    locales = wanted_languages(request) if "lang" in request.query or not known else [known]
    return nearest_locale(workflow, locales)

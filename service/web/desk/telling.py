"""Broadcasts on the desk: whom to tell, with which notice; counted first, and each person told once."""

from datetime import timedelta
from typing import Final, get_args

from aiohttp import web
from msgspec import Struct, ValidationError, convert

from service.channels import registry
from service.domain.calendars import zone_of
from service.domain.conversation import ANSWER
from service.domain.errors import Rejection
from service.domain.notice_rules import Notice
from service.domain.notices import State
from service.domain.workflow import Workflow
from service.editing.places import shown_places
from service.editing.trying import Reading, seen
from service.ledger.auditing.reading import AuditFilter, LoggedLine, search
from service.pacing import aside
from service.prices import current
from service.web.broadcasts import tell
from service.web.context import CONTEXT
from service.web.desk.orders import INPUTS, given
from service.web.desk.page import render
from service.web.desk.titles import Titles, language
from service.web.known import require_workflow, workflows_of
from service.web.lifecycle import at_work
from service.web.once import once_by_form
from service.web.page_query_types import TellAllQuery
from service.web.page_values import PageValues
from service.web.params import Form, form_of, whole_number
from service.web.problems import Problem
from service.web.queries import day_in, query_of
from service.web.schemas.messages import MessageFilter
from service.web.schemas.notices import BroadcastAnswer, BroadcastOrder, OrderFilter
from service.web.word_drafts import called

FASTEST: Final = 100_000
USUAL_PACE: Final = "600"
_ORDERS: Final = ("status", "stage", "assignee")
_TOLD: Final = ("channel", "state", "notice", "cause", "from", "to")
LOOKS_BACK: Final = timedelta(days=1)
_DAYS: Final = ("from", "to")
_TOLD_FIELD: Final = "told "


class NoticeInput(Struct, frozen=True):
    """An input of a notice. `type`: as HTML names kinds of inputs."""

    name: str
    title: str
    type: str
    needed: bool


async def form(request: web.Request) -> web.StreamResponse:
    """Show the form."""
    fields = {name: request.query.get(name, "") for name in _ORDERS}
    fields |= {f"{_TOLD_FIELD}{name}": request.query.get(name, "") for name in _TOLD}
    fields["zone"] = request.query.get("zone", "")
    workflow = await at_work(request, query_of(request, TellAllQuery).workflow)
    return await _page(request, workflow.name, fields)


async def tell_all(request: web.Request) -> web.StreamResponse:
    """Count first, with a preview of the texts; send once that is confirmed."""
    form = await form_of(request)
    if form.get("sure") == "yes":
        return await once_by_form(request, _tell)
    try:
        return await _counted(request, form, dry_run=True)
    except (Problem, Rejection) as refused:
        why = getattr(refused, "detail", "") or getattr(refused, "reason", "")
        return await _page(request, form.get("workflow", ""), dict(form), {"problem": why}, status=422)


async def _tell(request: web.Request) -> web.StreamResponse:
    return await _counted(request, await form_of(request), dry_run=False)


async def _counted(request: web.Request, form: Form, *, dry_run: bool) -> web.StreamResponse:
    broadcast_order = _broadcast_order(request, form, dry_run=dry_run)
    done = await tell(request, broadcast_order)
    return await _page(
        request, broadcast_order.workflow, dict(form), await _shown(request, form, broadcast_order, done)
    )


def _broadcast_order(request: web.Request, form: Form, *, dry_run: bool) -> BroadcastOrder:
    """The form as the API takes it; raises Rejection."""
    workflow = require_workflow(request, form.get("workflow", ""))
    name = form.get("notice", "")
    notice = workflow.notices.get(name)
    asks = notice.asks if notice else {}
    inputs = {a: given(ask.attribute.type, form.get(f"{name}.{a}", "")) for a, ask in asks.items()}
    of_messages = {part: form.get(f"{_TOLD_FIELD}{part}", "") for part in _TOLD}
    per_minute = whole_number(form.get("per_minute", USUAL_PACE), 1, FASTEST)
    if per_minute is None:
        raise Rejection(f"per minute: a whole number from 1 to {FASTEST:,} is expected")
    wanted = OrderFilter(
        **{part: form.get(part, "").strip() for part in _ORDERS},
        open=True if form.get("open") else None,
        overdue=True if form.get("overdue") else None,
        told=_message_filter(of_messages, form.get("zone", "")) if any(of_messages.values()) else None,
    )
    return BroadcastOrder(workflow.name, name, wanted, inputs=inputs, dry_run=dry_run, per_minute=per_minute)


def _message_filter(fields: dict[str, str], zone: str) -> MessageFilter:
    """A range of days as moments: from the start of the first to the end of the last, in the browser's zone."""
    days = {part: day_in(part, fields[part], zone_of(zone).key, last=part == "to") for part in _DAYS if fields[part]}
    try:
        found: MessageFilter = convert({k: v for k, v in {**fields, **days}.items() if v}, MessageFilter)
    except ValidationError as error:
        raise Rejection(f"messages: {error}") from None
    return found


async def _shown(
    request: web.Request, form: Form, broadcast_order: BroadcastOrder, done: BroadcastAnswer
) -> PageValues:
    """The values for the page: the answer, and a preview."""
    context = request.app[CONTEXT]
    pack = context.orders.packs.get(broadcast_order.workflow)
    prices = current(context.settings.prices, registry.channels())
    reading = Reading(context.settings.brand, prices, asked=broadcast_order.inputs)
    places = shown_places(pack, broadcast_order.notice)
    looks = await aside(lambda: seen(pack, broadcast_order.notice, places, reading))
    return {
        "done": done,
        "before": await _told_before(request, broadcast_order) if broadcast_order.dry_run else [],
        "excluded": list(done.excluded.items()),
        "words": [(place, looks[place.file]) for place in places if place.file in looks],
        "kept": [(k, v) for k, v in form.items() if k not in ("csrf_token", "form_id", "sure", "act")],
    }


async def _told_before(request: web.Request, order: BroadcastOrder) -> list[LoggedLine]:
    """Who told this to many within the last day, so that two people do not tell it twice."""
    orders = request.app[CONTEXT].orders
    wanted = AuditFilter(act="broadcast.sent", since=orders.time.now() - LOOKS_BACK)
    async with orders.ledger.reading() as tx:
        lines = await search(tx, wanted)
    return [n for n in lines if (n.workflow, n.detail.get("notice")) == (order.workflow, order.notice)]


async def _page(
    request: web.Request, workflow: str, fields: dict[str, str], more: PageValues | None = None, status: int = 200
) -> web.StreamResponse:
    orders = request.app[CONTEXT].orders
    seen_ones = [w for w in workflows_of(request) if _manual(w)]
    w = next((w for w in seen_ones if w.name == workflow), seen_ones[0] if seen_ones else None)
    if w is None:
        raise Problem(404, "Nothing to tell", "no workflow has a manual notice")
    titles = Titles(orders.packs)
    values: PageValues = {
        "w": w,
        "fields": fields,
        "workflows": [(each.name, each.title) for each in seen_ones],
        "states": get_args(State),
        "statuses": [(s, titles.status(w.name, s)) for s in w.statuses],
        "stages": [(s, titles.stage(w.name, s)) for s in w.stages],
        "manual": [(n.name, titles.notice(w.name, n.name), _inputs(w, n)) for n in _manual(w)],
        "told_notices": [(n, titles.notice(w.name, n)) for n in w.notices],
        "channels": [(c.name, c.title) for c in registry.channels().values()],
        "pace": fields.get("per_minute", USUAL_PACE),
        "language": language,
        "called": called,
        "told": _TOLD_FIELD,
        **(more or {}),
    }
    return await render(request, "tell_all.html.j2", values, here="/desk/messages", status=status)


def _manual(w: Workflow) -> list[Notice]:
    return [n for n in w.notices.values() if n.manual and n.name != ANSWER]


def _inputs(w: Workflow, notice: Notice) -> list[NoticeInput]:
    """The inputs that are filled in once, for all orders."""
    zone = f" ({w.timezone})"
    return [
        NoticeInput(
            f"{notice.name}.{name}",
            ask.attribute.titles.get(w.default_locale, name.replace("_", " "))
            + (zone if ask.attribute.type == "datetime" else ""),
            INPUTS.get(ask.attribute.type, "text"),
            ask.default is None,
        )
        for name, ask in notice.asks.items()
    ]

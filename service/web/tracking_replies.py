"""`/t/{token}/replies/{reply}`: replies that a customer may tap. GET only shows; a POST acts, once."""

from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

from aiohttp import web
from msgspec import Struct

from service import conversations
from service.conversations import IncomingReply
from service.domain.conditions.judging import Situation, holds
from service.domain.conversation import PAGE
from service.domain.order import Order
from service.domain.replies import Reply
from service.domain.workflow import Workflow
from service.keyring import Keyring
from service.web.brand_look import brand_of
from service.web.context import CONTEXT
from service.web.params import form_of
from service.web.problems import Problem
from service.web.schemas.tracking import TrackingReply
from service.web.tracking_link import gone, linked_order, nearest_locale, page, wanted_languages

# Sent with each form that the page shows, so that a double tap counts once.
FORM: Final = "reply"
# The page is the customer's: it has only replies of that audience.
AUDIENCE: Final = "customer"


class ReplyButton(Struct, frozen=True):
    """One reply that may be given now. `form`: identifies this rendering of it."""

    name: str
    title: str
    form: str


def offered(order: Order, workflow: Workflow, now: datetime) -> list[Reply]:
    """The replies that the order's status accepts now."""
    situation = Situation(order, now, workflow.timezone)
    return [
        r
        for r in workflow.replies.values()
        if r.buttons and order.status in r.statuses and AUDIENCE in r.audiences
        if holds(r.when, situation) and not _is_given(order, r)
    ]


def _is_given(order: Order, reply: Reply) -> bool:
    before = order.conversation.counted.get(reply.counts_as) if order.conversation else None
    return before is not None and not reply.repeats and before.in_status_since == order.status_since


def buttons(keyring: Keyring, order: Order, workflow: Workflow, locale: str, now: datetime) -> list[ReplyButton]:
    """The same, as buttons."""
    return [
        ReplyButton(r.name, workflow.title_in(r.titles, locale, r.name), keyring.token(FORM, uuid4(), whole=True))
        for r in offered(order, workflow, now)
    ]


def as_data(order: Order, workflow: Workflow, locale: str, now: datetime) -> list[TrackingReply]:
    """The same as data."""
    return [TrackingReply(r.name, workflow.title_in(r.titles, locale, r.name)) for r in offered(order, workflow, now)]


async def get_reply_page(request: web.Request) -> web.StreamResponse:
    """Ask for confirmation; a GET changes nothing, as mail scanners and link previews open every link."""
    try:
        order, workflow = await linked_order(request)
    except Problem as problem:
        return gone(request, problem)
    locale = nearest_locale(workflow, wanted_languages(request, order))
    brand = brand_of(workflow, order.brand, request.app[CONTEXT].settings.brand)
    name = request.match_info["reply"]
    found = next(
        (b for b in buttons(_keyring(request), order, workflow, locale, _now(request)) if b.name == name), None
    )
    if found is None:
        raise web.HTTPSeeOther(f"/t/{request.match_info['token']}?result=too_late")
    return page(request, "reply.html.j2", {"b": found, "token": request.match_info["token"]}, locale, brand=brand)


async def post_reply(request: web.Request) -> web.StreamResponse:
    """Take the customer's reply, and show their page again with its result."""
    try:
        order, workflow = await linked_order(request)
    except Problem as problem:
        return gone(request, problem)
    form = await form_of(request)
    name = request.match_info["reply"]
    reply = workflow.replies.get(name)
    if reply is None or AUDIENCE not in reply.audiences:
        raise Problem(404, "No such reply", f"this order takes no reply {name[:60]!r}")
    form_id = _keyring(request).read_token(FORM, form.get("form", ""))
    kept = await conversations.take(request.app[CONTEXT].orders, _incoming(order, reply, form_id))
    outcome = kept.outcome if kept else _again(order, reply)
    result = {"counted": "taken", "text": "taken"}.get(outcome, outcome)
    raise web.HTTPSeeOther(f"/t/{request.match_info['token']}?result={result}")


def _again(order: Order, reply: Reply) -> str:
    """The result of a repeated tap: it has counted, or was too late the first time."""
    counted = order.conversation.counted if order.conversation else {}
    return "again" if reply.counts_as in counted or order.status in reply.statuses else "too_late"


def _incoming(order: Order, reply: Reply, form_id: UUID | None) -> IncomingReply:
    key = f"page:{order.id}:{reply.name}:{form_id or uuid4()}"
    return IncomingReply(key, PAGE, "", payload=reply.name, audience=AUDIENCE, order_id=order.id)


def _now(request: web.Request) -> datetime:
    return request.app[CONTEXT].orders.time.now()


def _keyring(request: web.Request) -> Keyring:
    return request.app[CONTEXT].orders.keyring

"""`/v1/orders/...`: one order in full, manual notices, reported issues, its tracking link."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

import msgspec
from aiohttp import web
from msgspec import structs

from service.domain import acting, asking
from service.domain.causes import ReportIssue, RevokeLinks, SendNotice
from service.domain.notice_rules import Notice
from service.domain.order import Order, OrderRef
from service.domain.workflow import Workflow
from service.earlier_packs import recall
from service.ledger.orders.locking import find
from service.ledger.orders.read_models import OrderShown
from service.ledger.orders.views import order_view
from service.orders import NoSuchOrder
from service.web.assignee_link import act_link_of
from service.web.audited import audit_line, noted
from service.web.auth import roles_of, scope_of
from service.web.context import CALLER, CONTEXT, Context
from service.web.once import HEADER, once
from service.web.params import answer, body_of
from service.web.party_view import order_seen, viewer_of
from service.web.preview import preview
from service.web.problems import Problem
from service.web.schemas.escalations import Escalated
from service.web.schemas.notices import NoticeAnswer, NoticeOrder
from service.web.schemas.orders import AgentAnswer, Asked, IssueReport, LinkAnswer, ManualNotice, OrderDocument

SAME_CLICK: Final = timedelta(seconds=10)
Send = Callable[[web.Request, SendNotice], Awaitable[web.StreamResponse]]


async def get_order(request: web.Request) -> web.StreamResponse:
    """State, people, timeline, messages, clocks, escalations."""
    _, document = await load_order(request)
    return answer(document)


async def load_order(request: web.Request) -> tuple[Order, OrderDocument]:
    """The order named in the path, and its document with what an agent may do now; raises Problem."""
    context = request.app[CONTEXT]
    name, order_id = request.match_info["workflow"], request.match_info["order_id"]
    pack = context.orders.packs.find(name)
    if pack is not None and "\x00" not in order_id:
        async with context.orders.ledger.reading() as tx:
            scope = scope_of(request)
            order = await find(tx, name, order_id, scope=scope)
            if order is not None:
                await recall(tx, context.orders.packs, [(name, order.version)])
                pack = context.orders.packs.for_order(name, order.version)
                known, now = context.orders.packs.workflows, context.orders.time.now()
                view = await order_view(tx, pack.workflow, order, now, known, scope=scope)
                lived = pack.workflow.for_brand(order.brand)
                whole = _with_help(view, lived, order, context.orders.time.now(), roles_of(request[CALLER]))
                viewer = viewer_of(request)
                return order, order_seen(whole, order, lived, viewer) if viewer else whole
    raise Problem(404, "No such order", "no order of this workflow has this id")


def _with_help(
    view: OrderShown, workflow: Workflow, order: Order, now: datetime, roles: frozenset[str]
) -> OrderDocument:
    return OrderDocument(
        **structs.asdict(view),
        answers=[
            AgentAnswer(a.question, a.check, a.do, a.say)
            for a in workflow.faqs
            if not a.statuses or order.status in a.statuses
        ],
        manual_notices=[
            ManualNotice(
                n.name, n.manual.get(workflow.default_locale, n.name), n.channels, asks_of(workflow, n, order, now)
            )
            for n in asking.offered(workflow, order, now)
        ],
        version=order.entries,
        acts=acting.offered(workflow, order, roles),
    )


def asks_of(workflow: Workflow, notice: Notice, order: Order, now: datetime) -> list[Asked]:
    """What an agent fills in for this notice, with the defaults that the order has now."""
    found = []
    for name, ask in notice.asks.items():
        default = asking.default_of(ask, order, workflow.timezone, now)
        title = ask.attribute.titles.get(workflow.default_locale, name.replace("_", " "))
        found.append(Asked(name, title, ask.attribute.type, ask.ahead, default is None, default))
    return found


def order_ref(request: web.Request) -> OrderRef:
    """The reference of the order that the path names; raises NoSuchOrder for an impossible one."""
    ref = OrderRef(request.match_info["workflow"], request.match_info["order_id"])
    is_known = request.app[CONTEXT].orders.packs.find(ref.workflow) and scope_of(request).has_workflow(ref.workflow)
    if "\x00" in "".join(ref) or not is_known:
        raise NoSuchOrder
    return ref


async def post_notice(request: web.Request) -> web.StreamResponse:
    """Preview a manual notice, or send it."""
    order = await body_of(request, NoticeOrder)
    ref = order_ref(request)
    context = request.app[CONTEXT]
    now = context.orders.time.now()
    cause = SendNotice(now, order.reason, request[CALLER].name, tuple(order.channels), order.inputs)
    if order.preview:
        noted(request, "notice.previewed")
        found = await preview(context, ref, cause, scope=scope_of(request))
        return answer(NoticeAnswer(True, order.reason, found))
    return await send_once(request, cause, _send)


async def _send(request: web.Request, cause: SendNotice) -> web.StreamResponse:
    ref, context = order_ref(request), request.app[CONTEXT]
    line, scope = audit_line(request, f"notice.sent {cause.reason}", *ref), scope_of(request)
    result = await context.orders.act(ref, cause, [line], scope=scope)
    assert result.decision is not None
    sent = await preview(context, ref, cause, result.decision, scope=scope)
    return answer(NoticeAnswer(False, cause.reason, sent), 201)


async def send_once(request: web.Request, cause: SendNotice, send: Send) -> web.StreamResponse:
    """Send once for a double click: the same notice by the same caller within 10 s, unless idempotency keys differ.

    The second request gets the answer of the first. Raises Problem.
    """

    async def sent(request: web.Request) -> web.StreamResponse:
        return await send(request, cause)

    if HEADER in request.headers:
        return await sent(request)
    inputs = msgspec.json.encode(cause.inputs, order="sorted").decode()
    parts = [*order_ref(request), cause.reason, inputs, *sorted(set(cause.channels))]
    return await once(request, "\x00".join(["notice", *parts]), parts, sent, SAME_CLICK, patient=True)


async def post_issue(request: web.Request) -> web.StreamResponse:
    """Report an issue: it escalates at once."""
    issue = await body_of(request, IssueReport)
    ref = order_ref(request)
    cause = ReportIssue(request.app[CONTEXT].orders.time.now(), issue.reason, request[CALLER].name, issue.detail)
    line = audit_line(request, f"issue.reported {issue.reason}", *ref)
    result = await request.app[CONTEXT].orders.act(ref, cause, [line], scope=scope_of(request))
    assert result.decision is not None
    # Clocks that were due at the same time may have raised others: ours is the last.
    e = result.decision.escalations[-1].escalation
    return answer(Escalated(str(e.id), e.team, e.reason, e.severity, e.state), 201)


async def get_link(request: web.Request) -> web.StreamResponse:
    """The order's tracking page, for an agent to give to the customer."""
    context = request.app[CONTEXT]
    async with context.orders.ledger.reading() as tx:
        order = await find(tx, *order_ref(request), scope=scope_of(request))
    if order is None:
        raise NoSuchOrder
    return answer(_links(context, order))


async def revoke_links(request: web.Request) -> web.StreamResponse:
    """Make all tracking links of the order so far void."""
    ref = order_ref(request)
    context = request.app[CONTEXT]
    cause = RevokeLinks(context.orders.time.now(), request[CALLER].name)
    line = audit_line(request, "links.revoked", *ref)
    result = await context.orders.act(ref, cause, [line], scope=scope_of(request))
    assert result.decision is not None
    return answer(_links(context, result.decision.order))


def _links(context: Context, order: Order) -> LinkAnswer:
    workflow = context.orders.packs.for_order(order.workflow, order.version).workflow
    url = f"{context.settings.public_url}/t/{context.composer.link_token(order.id, order.links)}"
    return LinkAnswer(url, act_link_of(context, order, workflow) if order.status in workflow.statuses else "")

"""`/v1/orders...`: lists, one order whole, manual notices, reported issues, its tracking link."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

import msgspec
from aiohttp import web
from msgspec import structs

from service.domain import acting, asking
from service.domain.causes import ReportIssue, RevokeLinks, SendNotice
from service.domain.errors import Rejection
from service.domain.order import Order, OrderRef
from service.domain.workflow import Notice, Workflow
from service.ledger.orders.locking import find
from service.ledger.orders.read_models import OrderShown
from service.ledger.orders.search import Listed, Search, as_csv, open_escalations_of, search
from service.ledger.orders.views import order_view
from service.orders import NoSuchOrder
from service.phone_numbers import country_of
from service.web import attribute_filters
from service.web.audited import address_in, audit_line, noted
from service.web.auth import INCLUDES
from service.web.context import CALLER, CONTEXT, Context
from service.web.known import check_names
from service.web.once import HEADER, once
from service.web.params import answer, body_of
from service.web.preview import preview
from service.web.problems import Problem
from service.web.queries import in_order, query_of
from service.web.query_types import OrdersQuery
from service.web.schemas import (
    AgentAnswer,
    Asked,
    Escalated,
    IssueReport,
    LinkAnswer,
    ManualNotice,
    NoticeAnswer,
    NoticeOrder,
    OrderDocument,
    OrderLine,
    OrderPage,
)

# The shortest phone numbers there are, without a country code: Niue has four digits (ITU-T E.164, national plans).
FEWEST_DIGITS: Final = 4
MOST_CSV: Final = 50_000
SAME_CLICK: Final = timedelta(seconds=10)
Send = Callable[[web.Request, SendNotice], Awaitable[web.StreamResponse]]


async def list_orders(request: web.Request) -> web.StreamResponse:
    """A page of orders; `format=csv` gives all of them as a table."""
    context = request.app[CONTEXT]
    wanted = await search_of(request)
    if query_of(request, OrdersQuery).format:
        return await csv_answer(request, wanted)
    async with context.orders.ledger.reading() as tx:
        page, cursor = await search(tx, wanted, context.orders.time.now())
        escalated = await open_escalations_of(tx, [o.id for o in page])
        warnings = await attribute_filters.warnings(tx, context, wanted)
    return answer(OrderPage([line_of(context, o, escalated.get(o.id, 0)) for o in page], cursor, warnings))


async def csv_answer(request: web.Request, wanted: Search) -> web.Response:
    """Everything that the search finds, as a file."""
    context = request.app[CONTEXT]
    now = context.orders.time.now()
    async with context.orders.ledger.reading() as tx:
        everything = structs.replace(wanted, limit=MOST_CSV, cursor="")
        rows, _ = await search(tx, everything, now)
    noted(request, "orders.exported", rows=len(rows))
    headers = {"Content-Disposition": f'attachment; filename="orders-{now:%Y-%m-%d}.csv"'}
    return web.Response(text=as_csv(rows, now), content_type="text/csv", headers=headers)


async def search_of(request: web.Request, *, apart: bool = False) -> Search:
    """The query string as a search; raises Rejection. `apart`: see `check_names`."""
    q = query_of(request, OrdersQuery)
    note_search(request)
    await check_names(request, apart=apart)
    statuses = tuple(s for s in q.status.split(",") if s)
    asked_for = statuses or q.stage or q.q or q.archived
    packs = request.app[CONTEXT].orders.packs
    ends_from, ends_before = in_order(("ends_from", q.ends_from), ("ends_before", q.ends_before))
    return Search(
        workflow=q.workflow,
        statuses=statuses,
        unlisted=() if asked_for else tuple(pair for pack in packs for pair in pack.workflow.unlisted),
        stage=q.stage,
        assignee=q.assignee,
        recipient=recipient_of(q.recipient),
        countries=countries_of(request, q.country),
        q=_address(q.q).strip(),
        overdue=q.overdue,
        open_only=bool(q.open),
        stuck_for=q.stuck_for,
        ends_from=ends_from,
        ends_before=ends_before,
        shows={pack.workflow.name: pack.workflow.shows for pack in packs if pack.workflow.shows},
        attributes=attribute_filters.digests_of(request, apart=apart),
        sort=q.sort,
        cursor=q.cursor,
        limit=q.limit,
    )


def recipient_of(asked: str) -> str:
    """Who is asked for; raises Rejection for what can be no address."""
    text = _address(asked)
    is_number = sum(c.isdigit() for c in text) >= FEWEST_DIGITS
    if text and "@" not in text and not is_number and not address_in(text):
        raise Rejection("recipient: a phone number such as +919812345678, or a mail address, is expected")
    return text


def countries_of(request: web.Request, asked: str) -> tuple[str, ...]:
    """Where a number without a country code is looked for: as asked, else where the packs are at home."""
    if asked:
        country = country_of(asked)
        if country is None:
            raise Rejection("country: two letters of ISO 3166 are expected")
        return (country,)
    regions = [p.workflow.region for p in request.app[CONTEXT].orders.packs]
    return tuple(dict.fromkeys(r for r in regions if r))


def note_search(request: web.Request) -> None:
    """For the audit log: by what is searched, and for whom."""
    q = request.query
    asked = (_address(q.get("recipient", "")), _address(q.get("q", "")).strip())
    countries = (None, *countries_of(request, q.get("country", "")))
    people = [a for text in asked for country in countries for a in address_in(text, country)]
    people = people or [q["recipient"]] if q.get("recipient") else people
    noted(request, "orders.searched" if people else "", people, by=sorted(name for name, value in q.items() if value))


def _address(text: str) -> str:
    """A phone number whose plus sign a query string has turned into a blank."""
    return f"+{text.strip()}" if text.startswith(" ") else text


def line_of(context: Context, o: Listed, escalated: int) -> OrderLine:
    """An order as lists show it."""
    pack = context.orders.packs.find(o.workflow)
    stage = pack.workflow.stages.get(o.stage) if pack else None
    title = stage.titles.get(pack.workflow.default_locale, o.stage) if pack and stage else o.stage
    return OrderLine(
        workflow=o.workflow,
        order_id=o.order_id,
        status=o.status,
        stage=o.stage,
        stage_title=title,
        final=o.final,
        assignee=o.assignee,
        status_since=o.status_since,
        created=o.created,
        updated=o.updated,
        due=o.due,
        expected_end=o.expected_end,
        overdue=o.overdue,
        open_escalations=escalated,
        attributes=dict(o.shown),
    )


async def get_order(request: web.Request) -> web.StreamResponse:
    """State, people, timeline, messages, clocks, escalations."""
    _, document = await load_order(request)
    return answer(document)


async def load_order(request: web.Request) -> tuple[Order, OrderDocument]:
    """The order named in the path, and what is shown of it with what an agent may say and send; raises Problem."""
    context = request.app[CONTEXT]
    name, order_id = request.match_info["workflow"], request.match_info["order_id"]
    pack = context.orders.packs.find(name)
    if pack is not None and "\x00" not in order_id:
        async with context.orders.ledger.reading() as tx:
            order = await find(tx, name, order_id)
            if order is not None:
                shown = await order_view(tx, pack.workflow, order, context.orders.time.now())
                lived = pack.workflow.for_brand(order.brand)
                roles = frozenset[str](INCLUDES[request[CALLER].role])
                return order, _with_help(shown, lived, order, context.orders.time.now(), roles)
    raise Problem(404, "No such order", "no order of this workflow has this id")


def _with_help(
    shown: OrderShown, workflow: Workflow, order: Order, now: datetime, roles: frozenset[str]
) -> OrderDocument:
    return OrderDocument(
        **structs.asdict(shown),
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
    """What an agent fills in for this notice, with what stands in now while they do not."""
    found = []
    for name, ask in notice.asks.items():
        default = asking.default_of(ask, order, workflow.timezone, now)
        title = ask.attribute.titles.get(workflow.default_locale, name.replace("_", " "))
        found.append(Asked(name, title, ask.attribute.type, ask.ahead, default is None, default))
    return found


def order_ref(request: web.Request) -> OrderRef:
    """The order that the path names; raises NoSuchOrder for what no order can be called."""
    ref = OrderRef(request.match_info["workflow"], request.match_info["order_id"])
    if "\x00" in "".join(ref) or request.app[CONTEXT].orders.packs.find(ref.workflow) is None:
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
        return answer(NoticeAnswer(True, order.reason, await preview(context, ref, cause)))
    return await send_once(request, cause, _send)


async def _send(request: web.Request, cause: SendNotice) -> web.StreamResponse:
    ref, context = order_ref(request), request.app[CONTEXT]
    result = await context.orders.act(ref, cause, [audit_line(request, f"notice.sent {cause.reason}", *ref)])
    assert result.decision is not None
    return answer(NoticeAnswer(False, cause.reason, await preview(context, ref, cause, result.decision)), 201)


async def send_once(request: web.Request, cause: SendNotice, send: Send) -> web.StreamResponse:
    """A doubled click tells once: the same notice by the same caller within 10 s, unless keys tell them apart.

    Whoever comes second gets the answer of the first; raises Problem.
    """

    async def sent(request: web.Request) -> web.StreamResponse:
        return await send(request, cause)

    if HEADER in request.headers:
        return await sent(request)
    inputs = msgspec.json.encode(cause.inputs, order="sorted").decode()
    asked = [*order_ref(request), cause.reason, inputs, *sorted(set(cause.channels))]
    return await once(request, "\x00".join(["notice", *asked]), asked, sent, SAME_CLICK, patient=True)


async def post_issue(request: web.Request) -> web.StreamResponse:
    """Report an issue: it escalates at once."""
    issue = await body_of(request, IssueReport)
    ref = order_ref(request)
    cause = ReportIssue(request.app[CONTEXT].orders.time.now(), issue.reason, request[CALLER].name, issue.detail)
    act = request.app[CONTEXT].orders.act
    result = await act(ref, cause, [audit_line(request, f"issue.reported {issue.reason}", *ref)])
    assert result.decision is not None
    # Clocks that were due in the same breath may have raised others: ours is the last.
    e = result.decision.escalations[-1].escalation
    return answer(Escalated(str(e.id), e.team, e.reason, e.severity, e.state), 201)


async def get_link(request: web.Request) -> web.StreamResponse:
    """The order's tracking page, for an agent to give to the customer."""
    context = request.app[CONTEXT]
    async with context.orders.ledger.reading() as tx:
        order = await find(tx, *order_ref(request))
    if order is None:
        raise NoSuchOrder
    token = context.composer.link_token(order.id, order.links)
    return answer(LinkAnswer(f"{context.settings.public_url}/t/{token}"))


async def revoke_links(request: web.Request) -> web.StreamResponse:
    """Make all tracking links of the order so far void."""
    ref = order_ref(request)
    context = request.app[CONTEXT]
    result = await context.orders.act(
        ref, RevokeLinks(context.orders.time.now(), request[CALLER].name), [audit_line(request, "links.revoked", *ref)]
    )
    assert result.decision is not None
    order = result.decision.order
    return answer(LinkAnswer(f"{context.settings.public_url}/t/{context.composer.link_token(order.id, order.links)}"))

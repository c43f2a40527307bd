"""`/v1/orders...`: lists, one order whole, manual notices, reported issues, its tracking link."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import structs

from service.domain import acting, asking
from service.domain.causes import ReportIssue, RevokeLinks, SendNotice
from service.domain.errors import Rejection
from service.domain.order import Order, OrderRef
from service.domain.seeing import to_do_of
from service.domain.workflow import Notice, Workflow
from service.earlier_packs import recall
from service.ledger.database.transaction import Transaction
from service.ledger.orders.locking import find
from service.ledger.orders.read_models import OrderShown
from service.ledger.orders.search import Listed, Search, as_csv, open_escalations_of, search
from service.ledger.orders.views import order_view
from service.orders import NoSuchOrder
from service.phone_numbers import country_of
from service.web import attribute_filters
from service.web.assignee_link import act_link_of
from service.web.audited import address_in, audit_line, noted
from service.web.auth import roles_of, scope_of
from service.web.context import CALLER, CONTEXT, Context
from service.web.known import check_names, workflows_of
from service.web.once import HEADER, once
from service.web.params import answer, body_of
from service.web.party_view import Viewer, listed_seen, order_seen, viewer_of
from service.web.preview import preview
from service.web.problems import Problem
from service.web.queries import in_order, query_of
from service.web.query_types import OrdersQuery
from service.web.schemas.escalations import Escalated
from service.web.schemas.notices import NoticeAnswer, NoticeOrder
from service.web.schemas.orders import (
    AgentAnswer,
    Asked,
    IssueReport,
    LinkAnswer,
    ManualNotice,
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
        page, cursor = await found(request, tx, wanted)
        escalated = await escalated_of(request, tx, page)
        warnings = await attribute_filters.warnings(tx, context, wanted, scope=scope_of(request))
    return answer(OrderPage([line_of(context, o, escalated.get(o.id, 0)) for o in page], cursor, warnings))


async def found(request: web.Request, tx: Transaction, wanted: Search) -> tuple[list[Listed], str]:
    """A page of orders and the cursor of the next one, as the caller sees them; raises Rejection."""
    orders = request.app[CONTEXT].orders
    page, cursor = await search(tx, wanted, orders.time.now(), scope=scope_of(request))
    viewer, packs = viewer_of(request), orders.packs.workflows
    return [listed_seen(o, packs.get(o.workflow), viewer) for o in page] if viewer else page, cursor


async def escalated_of(request: web.Request, tx: Transaction, page: Sequence[Listed]) -> dict[UUID, int]:
    """How many open escalations each of these has; whom the company calls is no party's business."""
    if viewer_of(request):
        return {}
    return await open_escalations_of(tx, [o.id for o in page], scope=scope_of(request))


async def csv_answer(request: web.Request, wanted: Search) -> web.Response:
    """Everything that the search finds, as a file."""
    context = request.app[CONTEXT]
    now = context.orders.time.now()
    async with context.orders.ledger.reading() as tx:
        everything = structs.replace(wanted, limit=MOST_CSV, cursor="")
        rows, _ = await found(request, tx, everything)
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
    packs = workflows_of(request)
    ends_from, ends_before = in_order(("ends_from", q.ends_from), ("ends_before", q.ends_before))
    viewer = viewer_of(request)
    if viewer and (q.assignee or q.recipient):
        raise Rejection("recipient, assignee: who else is on an order is not asked with your key; take `q` for its id")
    return Search(
        workflow=q.workflow,
        statuses=statuses,
        unlisted=() if asked_for else tuple(pair for w in packs for pair in w.unlisted),
        stage=q.stage,
        assignee=q.assignee,
        recipient=recipient_of(q.recipient),
        countries=countries_of(request, q.country),
        q=_address(q.q).strip(),
        overdue=q.overdue,
        open_only=bool(q.open or q.todo),
        stuck_for=q.stuck_for,
        ends_from=ends_from,
        ends_before=ends_before,
        among=_to_do(packs, viewer) if q.todo else None,
        by_people=viewer is None,
        shows={w.name: w.shows for w in packs if w.shows},
        attributes=attribute_filters.digests_of(request, apart=apart),
        sort="due" if q.todo and q.sort == "activity" else q.sort,
        cursor=q.cursor,
        limit=q.limit,
    )


def _to_do(packs: Sequence[Workflow], viewer: Viewer | None) -> tuple[tuple[str, str], ...]:
    """Where orders wait for a party's people; raises Rejection for the company's own, for whom all do."""
    if viewer is None:
        raise Rejection("todo: is for the people of a party, such as a provider; take open=true and sort=due")
    return tuple((w.name, status) for w in packs for status in sorted(to_do_of(w, viewer.role)))


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
    regions = [w.region for w in workflows_of(request)]
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
            scope = scope_of(request)
            order = await find(tx, name, order_id, scope=scope)
            if order is not None:
                await recall(tx, context.orders.packs, [(name, order.version)])
                pack = context.orders.packs.for_order(name, order.version)
                known, now = context.orders.packs.workflows, context.orders.time.now()
                shown = await order_view(tx, pack.workflow, order, now, known, scope=scope)
                lived = pack.workflow.for_brand(order.brand)
                whole = _with_help(shown, lived, order, context.orders.time.now(), roles_of(request[CALLER]))
                viewer = viewer_of(request)
                return order, order_seen(whole, order, lived, viewer) if viewer else whole
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
    line = audit_line(request, f"issue.reported {issue.reason}", *ref)
    result = await request.app[CONTEXT].orders.act(ref, cause, [line], scope=scope_of(request))
    assert result.decision is not None
    # Clocks that were due in the same breath may have raised others: ours is the last.
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

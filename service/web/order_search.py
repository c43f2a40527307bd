"""`/v1/orders`: lists of orders, as JSON and as CSV."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from aiohttp import web
from msgspec import structs

from service.domain.errors import Rejection
from service.domain.seeing import to_do_of
from service.domain.workflow import Workflow
from service.ledger.database.transaction import Transaction
from service.ledger.orders.read_models import OrderSummary
from service.ledger.orders.search import ListedOrder, Search, open_escalations_of, search
from service.ledger.orders.search_csv import as_csv
from service.phone_numbers import country_of
from service.web import attribute_filters
from service.web.audited import address_in, noted
from service.web.auth import scope_of
from service.web.context import CONTEXT, Context
from service.web.known import check_names, workflows_of
from service.web.params import answer
from service.web.party_view import Viewer, listed_seen, viewer_of
from service.web.queries import in_order, query_of
from service.web.query_types import OrdersQuery
from service.web.schemas.orders import OrderLine, OrderPage

# The shortest phone numbers there are, without a country code: Niue has four digits (ITU-T E.164, national plans).
FEWEST_DIGITS: Final = 4
MOST_CSV: Final = 50_000


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


async def found(request: web.Request, tx: Transaction, wanted: Search) -> tuple[list[ListedOrder], str]:
    """A page of orders and the cursor of the next one, as the caller sees them; raises Rejection."""
    orders = request.app[CONTEXT].orders
    page, cursor = await search(tx, wanted, orders.time.now(), scope=scope_of(request))
    viewer, packs = viewer_of(request), orders.packs.workflows
    return [listed_seen(o, packs.get(o.workflow), viewer) for o in page] if viewer else page, cursor


async def escalated_of(request: web.Request, tx: Transaction, page: Sequence[ListedOrder]) -> dict[UUID, int]:
    """How many open escalations each of these orders has; none are shown to parties."""
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
        raise Rejection("recipient, assignee: your key may not search for people; search for the order's id with `q`")
    return Search(
        workflow=q.workflow,
        statuses=statuses,
        unlisted=() if asked_for else tuple(pair for w in packs for pair in w.unlisted),
        stage=q.stage,
        assignee=q.assignee,
        recipient=recipient_of(q.recipient),
        countries=countries_of(request, q.country),
        q=_with_plus(q.q).strip(),
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
    """The statuses in which orders wait for a party's people; raises Rejection for staff, who have no such list."""
    if viewer is None:
        raise Rejection("todo: is for the people of a party, such as a provider; take open=true and sort=due")
    return tuple((w.name, status) for w in packs for status in sorted(to_do_of(w, viewer.role)))


def recipient_of(given: str) -> str:
    """The address searched for; raises Rejection for what cannot be one."""
    text = _with_plus(given)
    is_number = sum(c.isdigit() for c in text) >= FEWEST_DIGITS
    if text and "@" not in text and not is_number and not address_in(text):
        raise Rejection("recipient: a phone number such as +919812345678, or a mail address, is expected")
    return text


def countries_of(request: web.Request, given: str) -> tuple[str, ...]:
    """The countries of a number without a country code: the one asked for, else the regions of the packs."""
    if given:
        country = country_of(given)
        if country is None:
            raise Rejection("country: two letters of ISO 3166 are expected")
        return (country,)
    regions = [w.region for w in workflows_of(request)]
    return tuple(dict.fromkeys(r for r in regions if r))


def note_search(request: web.Request) -> None:
    """Note for the audit log which filters are used, and which people they name."""
    q = request.query
    texts = (_with_plus(q.get("recipient", "")), _with_plus(q.get("q", "")).strip())
    countries = (None, *countries_of(request, q.get("country", "")))
    people = [a for text in texts for country in countries for a in address_in(text, country)]
    people = people or [q["recipient"]] if q.get("recipient") else people
    noted(request, "orders.searched" if people else "", people, by=sorted(name for name, value in q.items() if value))


def _with_plus(text: str) -> str:
    """A phone number with its plus sign, which query-string decoding turns into a blank."""
    return f"+{text.strip()}" if text.startswith(" ") else text


def line_of(context: Context, o: ListedOrder, escalated: int) -> OrderLine:
    """An order as lists show it."""
    pack = context.orders.packs.find(o.workflow)
    stage = pack.workflow.stages.get(o.stage) if pack else None
    title = stage.titles.get(pack.workflow.default_locale, o.stage) if pack and stage else o.stage
    summary = {name: getattr(o, name) for name in OrderSummary.__struct_fields__}
    return OrderLine(**summary, stage_title=title, open_escalations=escalated, attributes=dict(o.shown))

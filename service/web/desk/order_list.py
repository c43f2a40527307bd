"""Lists of orders on the desk: search, filters, how late each order is; and the order of a phone caller."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from operator import itemgetter
from typing import Final
from urllib.parse import unquote, urlencode
from zoneinfo import ZoneInfo

from aiohttp import web
from msgspec import structs

from service.domain.calendars import zone_of
from service.domain.workflow import Workflow
from service.ledger.orders.search import ListedOrder, Search, broken_since_of, search
from service.web import attribute_filters
from service.web.audited import address_in, noted
from service.web.auth import scope_of
from service.web.context import CONTEXT
from service.web.desk.creating import may_create
from service.web.desk.orders import path_of
from service.web.desk.page import render
from service.web.desk.titles import Titles
from service.web.known import workflows_of
from service.web.order_search import (
    FEWEST_DIGITS,
    countries_of,
    csv_answer,
    escalated_of,
    found,
    line_of,
    recipient_of,
    search_of,
)
from service.web.page_values import PageValues
from service.web.party_view import viewer_of
from service.web.queries import ATTRIBUTES, query_of
from service.web.query_types import CallQuery, OrdersQuery

# Enough to know whether there is one order or several.
CALLS_LISTED: Final = 50
# What stands around the address of a caller with a name, and what it may begin with.
_BETWEEN: Final = re.compile("<([^<>]*)>")
_SCHEMES: Final = frozenset({"tel", "sip", "sips"})
_WITHHELD: Final = {
    "p": {
        "title": "Number withheld",
        "detail": "No number came with the call. Ask for the order, the phone number or the name, and enter it above.",
        "status": 200,
    },
    "back": "/desk/orders",
}
# What parties see first.
TO_DO: Final = ("To do", {"todo": "true"})
# What the views of the list set; all else that is filtered by stays when another is chosen.
_OF_VIEWS: Final = ("todo", "open", "overdue", "stuck_for", "ends_from", "ends_before", "sort")
# Filters for which the form has no field.
_HIDDEN: Final = (*(name for name in _OF_VIEWS if name != "sort"), "archived", "recipient", "country")
_FILTERS: Final = (
    "workflow", "todo", "status", "stage", "assignee", "recipient", "q", "overdue", "open", "stuck_for", "ends_from",
    "ends_before", "sort", "archived", "country",
)  # fmt: skip


async def orders(request: web.Request) -> web.StreamResponse:
    """Search, filters, and the usual views."""
    context = request.app[CONTEXT]
    all_orders = context.orders
    wanted = await search_of(request, apart=True)
    if query_of(request, OrdersQuery).format:
        return await csv_answer(request, wanted)
    wanted = structs.replace(wanted, named=viewer_of(request) is None)
    now = all_orders.time.now()
    scope, viewer = scope_of(request), viewer_of(request)
    async with all_orders.ledger.reading() as tx:
        page, cursor = await found(request, tx, wanted)
        escalated = await escalated_of(request, tx, page)
        broken = {} if viewer else await broken_since_of(tx, [o.id for o in page], scope=scope)
        warnings = await attribute_filters.warnings(tx, context, wanted, scope=scope)
    if wanted.q and len(page) == 1 and not cursor:
        raise web.HTTPFound(path_of(page[0].workflow, page[0].order_id))
    packs = [w for w in workflows_of(request) if wanted.workflow in ("", w.name)]
    columns = _columns(packs, page)
    is_mixed = len({o.workflow for o in page if wanted.shows.get(o.workflow)}) > 1
    values = {
        "s": wanted,
        "orders": [
            (line_of(context, o, escalated.get(o.id, 0)), _late_since(o, broken.get(o.id), now), o) for o in page
        ],
        "columns": [] if is_mixed else columns,
        "details": columns if is_mixed else [],
        "warnings": warnings,
        "cursor": cursor,
        "may_create": bool(may_create(request)),
        **_filter_form(request, packs, now),
    }
    return await render(request, "orders.html.j2", values, here="/desk/orders")


def _filter_form(request: web.Request, packs: list[Workflow], now: datetime) -> PageValues:
    """The usual views, and the fields of the filter form with their choices. `packs`: those that are listed."""
    known, titles = workflows_of(request), Titles(request.app[CONTEXT].orders.packs)
    views = _views(now, zone_of(known[0].timezone if known else "UTC"))
    kept = {k: v for k, v in request.query.items() if v and (k in _FILTERS or k.startswith(ATTRIBUTES))}
    return {
        "views": _with(kept, [TO_DO, *views] if viewer_of(request) else views),
        "query": urlencode(kept),
        "hidden": [(k, v) for k, v in kept.items() if k in _HIDDEN],
        "fields": attribute_filters.fields(request),
        "workflows": sorted(((w.name, w.title) for w in known), key=itemgetter(1)),
        "statuses": sorted({(s, titles.status(w.name, s)) for w in packs for s in w.statuses}, key=itemgetter(1)),
        "stages": _stages(titles, packs),
    }


def _late_since(o: ListedOrder, broken: datetime | None, now: datetime) -> datetime | None:
    """The time since when a promise about the order is broken."""
    late = [moment for moment in (broken, o.due) if moment is not None and moment <= now]
    return min(late, default=None)


def _stages(titles: Titles, packs: list[Workflow]) -> list[tuple[str, str]]:
    """Names with their titles, in the order of their packs; a name that several have, once."""
    return list({s: titles.stage(w.name, s) for w in packs for s in w.stages}.items())


async def call(request: web.Request) -> web.StreamResponse:
    """For telephone systems: open the caller's only open order, else their only order, else the list of all."""
    context = request.app[CONTEXT]
    params = query_of(request, CallQuery)
    address = caller_in(params.number)
    if not address:
        return await render(request, "problem.html.j2", _WITHHELD, here="/desk/orders")
    caller = recipient_of(address)
    noted(request, people=address_in(caller, params.country or None))
    wanted = Search(q=caller, countries=countries_of(request, params.country), limit=CALLS_LISTED)
    async with context.orders.ledger.reading() as tx:
        theirs, _ = await search(tx, wanted, context.orders.time.now(), scope=scope_of(request))
    open_ones = [o for o in theirs if not o.final]
    for some in (open_ones, theirs):
        if len(some) == 1:
            raise web.HTTPFound(path_of(some[0].workflow, some[0].order_id))
    query = {"q": caller, "country": params.country, "open": "true" if open_ones else ""}
    raise web.HTTPFound(f"/desk/orders?{urlencode({k: v for k, v in query.items() if v})}")


def caller_in(caller_id: str) -> str:
    """The number or mail address in what a telephone system says of a caller; empty where it is withheld.

    Bare, as a `tel` URI (RFC 3966, §3), or as a `sip` one, a name beside it or not (RFC 3261, §19.1 and §20.10).
    """
    uri = _BETWEEN.search(caller_id)
    text = (uri[1] if uri else caller_id).strip()
    scheme, colon, rest = text.partition(":")
    if colon and scheme.lower() in _SCHEMES:
        text = unquote(re.split("[;?]", rest, maxsplit=1)[0])
        if scheme.lower() != "tel":
            text = text.partition("@")[0]
    elif "@" not in text:
        text = text.partition(";")[0]
    return text if "@" in text or sum(c.isdigit() for c in text) >= FEWEST_DIGITS else ""


def _columns(packs: list[Workflow], page: list[ListedOrder]) -> list[tuple[str, str]]:
    """Name and title of each attribute that the packs of these orders show."""
    seen = {o.workflow for o in page}
    return list(
        {
            name: w.attributes[name].titles.get(w.default_locale, name.replace("_", " "))
            for w in packs
            if w.name in seen
            for name in w.shows
        }.items()
    )


def _with(kept: Mapping[str, str], views: Sequence[tuple[str, dict[str, str]]]) -> list[tuple[str, str, bool]]:
    """Each with what else is filtered by, and whether it is the one that is shown."""
    rest = {k: v for k, v in kept.items() if k not in _OF_VIEWS}
    own = {k: v for k, v in kept.items() if k in _OF_VIEWS and (k, v) != ("sort", "activity")}
    return [(label, urlencode({**rest, **view}), view == own) for label, view in views]


def _views(now: datetime, zone: ZoneInfo) -> list[tuple[str, dict[str, str]]]:
    """The usual views; weeks begin as in the first pack's region."""
    today = now.astimezone(zone).date()
    monday = datetime.combine(today - timedelta(days=today.weekday()), time(), zone)

    def week(start: datetime) -> dict[str, str]:
        ends = (start, start + timedelta(days=7))
        span = dict(zip(("ends_from", "ends_before"), (at.astimezone(UTC).isoformat() for at in ends), strict=True))
        return {**span, "sort": "expected_end"}

    return [
        ("All", {}),
        ("Open", {"open": "true"}),
        ("This week", week(monday)),
        ("Next week", week(monday + timedelta(days=7))),
        ("Overdue", {"overdue": "true", "sort": "late"}),
        ("Stuck", {"stuck_for": "3d", "sort": "submitted"}),
        ("Nearest promise", {"open": "true", "sort": "due"}),
    ]

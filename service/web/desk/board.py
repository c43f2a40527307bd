"""The board: open escalations beside clocks that are about to breach, both most urgent first."""

from datetime import timedelta
from hashlib import blake2b
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import structs

from service.domain.errors import Rejection
from service.ledger.access import api_keys
from service.ledger.escalations.stream_lines import stream_end
from service.ledger.escalations.views import (
    EscalationFilter,
    count_of,
    listed,
    listed_incidents,
    members,
    near_breach,
    near_breach_count,
    place_in,
)
from service.web.auth import INCLUDES, scope_of
from service.web.context import CALLER, CONTEXT
from service.web.desk.page import render
from service.web.desk.titles import Titles
from service.web.desk.urgency import Row, key_of, rows_of
from service.web.escalations import ME, wanted_of
from service.web.known import teams_of, workflows_of
from service.web.page_query_types import BoardQuery
from service.web.page_values import PageValues
from service.web.params import uuid_of
from service.web.queries import query_of

NEAR: Final = timedelta(hours=1)
NEAR_SHOWN: Final = 40
MOST_INSIDE: Final = 500
# How many lines the page requests by id; when more have changed, it requests all.
MOST_IDS: Final = 50
# The cookie with the team that this browser showed last.
TEAM_COOKIE: Final = "stagebell_team"
TEAM_KEPT_S: Final = 365 * 86_400
_FILTERS: Final = ("state", "team", "workflow", "severity", "owner", "older_than", "incident", "limit")


async def go_to_desk(request: web.Request) -> web.StreamResponse:
    """Redirect `/desk` to its start page."""
    raise web.HTTPFound("/desk")


async def board(request: web.Request) -> web.StreamResponse:
    """The whole page; it opens with the team that was shown last."""
    values = {**await values_of(request), "people": await people_of(request)}
    page = await render(request, "board.html.j2", values, here="/desk")
    if "team" in request.query:
        secure = request.app[CONTEXT].settings.public_url.startswith("https://")
        team = request.query["team"]
        page.set_cookie(
            TEAM_COOKIE, team, max_age=TEAM_KEPT_S, path="/desk", samesite="Lax", httponly=True, secure=secure
        )
    return page


async def people_of(request: web.Request) -> list[str]:
    """Possible owners: the names of keys that may see the board; scoped callers are shown none."""
    if not scope_of(request).is_everything:
        return []
    async with request.app[CONTEXT].orders.ledger.reading() as tx:
        keys = await api_keys.listed(tx)
    names = {k.name for k in keys if k.revoked is None and "supervisor" in INCLUDES.get(k.role, ())}
    return sorted(names - {request[CALLER].name})


async def board_rows(request: web.Request) -> web.StreamResponse:
    """The lines alone; with `ids`, only these: one that is missing in the answer has left the list."""
    ids = query_of(request, BoardQuery).ids
    if not ids:
        return await render(request, "board_rows.html.j2", await values_of(request))
    wanted = await _wanted(request)
    rows, total, _ = await _page(request, structs.replace(wanted, ids=_ids(ids), cursor="", limit=MOST_IDS))
    if not query_of(request, BoardQuery).incident:
        total = await _count(request, wanted)
    return await render(request, "board_changed.html.j2", {"rows": rows, "total": total, "me": request[CALLER].name})


async def soon(request: web.Request) -> web.StreamResponse:
    """The clocks that are about to breach, for the page's refresh; 204 where nothing has changed."""
    values = await _soon(request, await _wanted(request))
    if request.headers.get("X-Seen") == values["seen"]:
        return web.Response(status=204)
    return await render(request, "board_soon.html.j2", values)


async def _count(request: web.Request, wanted: EscalationFilter) -> int:
    orders = request.app[CONTEXT].orders
    async with orders.ledger.reading() as tx:
        return await count_of(tx, wanted, orders.time.now(), scope=scope_of(request))


def _ids(text: str) -> tuple[UUID, ...]:
    try:
        found = tuple(UUID(one) for one in text.split(","))
    except ValueError:
        raise Rejection("ids: ids of escalations, separated by commas, are expected") from None
    if len(found) > MOST_IDS:
        raise Rejection(f"ids: at most {MOST_IDS} at once")
    return found


async def _wanted(request: web.Request) -> EscalationFilter:
    """The query's filters; the remembered team where it names none, except for an incident."""
    wanted = await wanted_of(request)
    teams = teams_of(request)
    remembered = request.cookies.get(TEAM_COOKIE, "")
    if "team" not in request.query and not request.query.get("incident") and remembered in teams:
        wanted = structs.replace(wanted, team=remembered)
    return wanted


async def _page(request: web.Request, wanted: EscalationFilter) -> tuple[list[Row], int, str]:
    """A page of lines, the total, and the cursor of the next page.

    Incidents are few and stand on the page where they belong by urgency.
    """
    orders = request.app[CONTEXT].orders
    now, scope = orders.time.now(), scope_of(request)
    async with orders.ledger.reading() as tx:
        found, total, cursor = await listed(tx, wanted, now, scope=scope)
        gathered = await listed_incidents(tx, structs.replace(wanted, limit=1000), now, scope=scope)
        if incident := query_of(request, BoardQuery).incident:
            every = structs.replace(wanted, limit=MOST_INSIDE)
            inside = await members(tx, uuid_of(incident, "incident"), every, now, scope=scope)
            return rows_of(Titles(orders.packs), inside, []), len(inside), ""
    titles = Titles(orders.packs)
    first, last = (key_of(*place_in(c)) if c else none for c, none in ((wanted.cursor, ""), (cursor, "~")))
    rows = [r for r in rows_of(titles, found, gathered) if not r.incident or first < r.key <= last]
    return rows, total + len(gathered), cursor


async def _soon(request: web.Request, wanted: EscalationFilter) -> PageValues:
    orders = request.app[CONTEXT].orders
    now, scope = orders.time.now(), scope_of(request)
    async with orders.ledger.reading() as tx:
        near = await near_breach(tx, structs.replace(wanted, limit=NEAR_SHOWN), now, NEAR, scope=scope)
        count = await near_breach_count(tx, wanted, now, NEAR, scope=scope)
    seen = blake2b(msgspec.json.encode((near, count)), digest_size=8).hexdigest()
    return {"near": near, "near_count": count, "seen": seen}


async def _place(request: web.Request) -> str:
    """The stream's current place; none for scoped callers, to whom it would reveal how much others do."""
    if not scope_of(request).is_everything:
        return ""
    async with request.app[CONTEXT].orders.ledger.reading() as tx:
        return str(await stream_end(tx))


async def values_of(request: web.Request) -> PageValues:
    """What the page shows."""
    wanted = await _wanted(request)
    # Read before the rows: the page listens from here on, so that nothing is missed in between.
    place = await _place(request)
    rows, total, cursor = await _page(request, wanted)
    kept = {k: v for k, v in request.query.items() if k in _FILTERS and (v or k == "team")} | {"team": wanted.team}
    packs, teams = workflows_of(request), teams_of(request)
    return {
        **await _soon(request, wanted),
        "place": place,
        "wanted": wanted,
        "mine": request.query.get("owner") == ME,
        "me": request[CALLER].name,
        "older": request.query.get("older_than", ""),
        "rows": rows,
        "total": total,
        "query": urlencode(kept),
        "without_owner": urlencode({k: v for k, v in kept.items() if k != "owner"}),
        "next_query": urlencode({**kept, "cursor": cursor}) if cursor else "",
        "teams": sorted(
            {(t.name, t.title) for w in packs for t in w.teams.values() if t.name in teams}, key=lambda pair: pair[1]
        ),
        "workflows": sorted(((w.name, w.title) for w in packs), key=lambda pair: pair[1]),
    }

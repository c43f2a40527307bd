"""The board: what is open and what is about to break, most urgent first."""

from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from service.ledger.escalations.views import listed, listed_incidents, near_breach
from service.web.context import CONTEXT
from service.web.desk.page import render
from service.web.escalations import wanted_of

NEAR: Final = timedelta(hours=1)
_FILTERS: Final = ("state", "team", "workflow", "severity", "older_than", "limit")


async def go_to_desk(request: web.Request) -> web.StreamResponse:
    """From the bare address to the front door."""
    raise web.HTTPFound("/desk")


async def board(request: web.Request) -> web.StreamResponse:
    """The whole page."""
    return await render(request, "board.html.j2", await _values(request), here="/desk")


async def board_rows(request: web.Request) -> web.StreamResponse:
    """The rows alone, as the page asks for them when something happened."""
    return await render(request, "board_rows.html.j2", await _values(request))


async def _values(request: web.Request) -> dict[str, Any]:
    orders = request.app[CONTEXT].orders
    wanted = await wanted_of(request)
    now = orders.time.now()
    async with orders.ledger.reading() as tx:
        found, total, cursor = await listed(tx, wanted, now)
        incidents = await listed_incidents(tx, wanted) if not wanted.cursor else []
        near = await near_breach(tx, wanted, now, NEAR)
    kept = {k: v for k, v in request.query.items() if k in _FILTERS and v}
    return {
        "wanted": wanted,
        "older": request.query.get("older_than", ""),
        "found": found,
        "incidents": incidents,
        "total": total,
        "near": near,
        "more": bool(cursor),
        "query": urlencode(kept),
        "next_query": urlencode({**kept, "cursor": cursor}),
        "teams": sorted({t for p in orders.packs for t in p.workflow.teams}),
        "workflows": sorted(p.workflow.name for p in orders.packs),
    }

"""`GET /v1/orders/...`: what is known of an order."""

from typing import Any

import msgspec
from aiohttp import web

from service.ledger.views import order_view
from service.web.auth import needs
from service.web.context import CONTEXT
from service.web.problems import Problem


@needs("agent")
async def get_order(request: web.Request) -> web.StreamResponse:
    """State, people, timeline, messages, clocks, escalations."""
    return json_answer(await load_view(request))


async def load_view(request: web.Request) -> dict[str, Any]:
    """The order named in the path; raises Problem."""
    context = request.app[CONTEXT]
    pack = context.core.packs.find(request.match_info["workflow"])
    view = None
    if pack is not None:
        async with context.core.ledger.reading() as connection:
            view = await order_view(connection, context.core.keyring, pack.workflow, request.match_info["order_id"])
    if view is None:
        raise Problem(404, "No such order", "no order of this workflow has this id")
    return view


def json_answer(value: Any, status: int = 200) -> web.Response:
    """Plain values and dates as JSON."""
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")

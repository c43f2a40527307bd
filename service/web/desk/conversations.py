"""Conversations on the desk: the tray of unanswered ones, an order's conversation live, and agents' answers."""

from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from service.domain.errors import Rejection
from service.domain.events import Note
from service.domain.order import OrderRef
from service.intake.acts import DESK
from service.ledger.orders.search import Search, search
from service.orders import NoSuchOrder
from service.web.acts import act
from service.web.auth import scope_of
from service.web.context import CONTEXT
from service.web.conversations import answer_customer, conversation_view, move, show_answering, tray
from service.web.desk.orders import path_of
from service.web.desk.page import render
from service.web.known import teams_of
from service.web.news import mark_of, news
from service.web.once import once_by_form
from service.web.orders import order_ref
from service.web.page_values import PageValues
from service.web.params import form_of
from service.web.problems import Problem
from service.web.queries import query_of
from service.web.query_types import TrayQuery
from service.web.schemas.acts import ActOrder
from service.web.schemas.conversations import CustomerAnswer

# As many as the tray takes (`TrayQuery`).
MOST: Final = 200
# Enough to tell one order from several.
MOST_NAMED: Final = 50


async def conversations(request: web.Request) -> web.StreamResponse:
    """Conversations that wait for an answer, longest first, and messages that belong to no known order."""
    return await render(request, "conversations.html.j2", await _tray(request), here="/desk/conversations")


async def tray_rows(request: web.Request) -> web.StreamResponse:
    """The rows alone, as soon as they differ from what the page shows; 204 where nothing changes in time."""
    found = await news(request, lambda: tray(request))
    if found is None:
        return web.Response(status=204)
    values = {"tray": found[0], "seen": found[1], **_shown_of(request)}
    return await render(request, "tray_rows.html.j2", values)


async def _tray(request: web.Request) -> PageValues:
    found = await tray(request)
    teams = sorted(teams_of(request))
    values = {"tray": found, "seen": mark_of(found), "query": request.query_string, "teams": teams}
    return {**values, **_shown_of(request)}


def _shown_of(request: web.Request) -> PageValues:
    """How many are shown at most, and the query that shows more."""
    limit = query_of(request, TrayQuery).limit
    return {"limit": limit, "more": urlencode({**request.query, "limit": MOST}) if limit < MOST else ""}


async def talk(request: web.Request) -> web.StreamResponse:
    """An order's conversation alone, as soon as it differs from what its page shows; 204 where nothing changes."""
    ref = order_ref(request)
    found = await news(request, lambda: conversation_view(request, ref))
    if found is None:
        return web.Response(status=204)
    values = {"talk": found[0], "seen": found[1], "base": path_of(*ref)}
    return await render(request, "talk.html.j2", values)


async def do_what_is_asked(request: web.Request) -> web.StreamResponse:
    """Perform the act that the customer asks for, and show the order again."""
    return await once_by_form(request, _do)


async def _do(request: web.Request) -> web.StreamResponse:
    ref = order_ref(request)
    offered = (await conversation_view(request, ref)).act
    if offered is None or offered.reply != (await form_of(request)).get("reply"):
        raise Problem(409, "Not possible now", "the customer no longer waits for this; reload the order")
    note = Note(f"{offered.title}: as the customer asked", public=False)
    act_order = ActOrder(offered.act, status=offered.status, attributes=offered.attributes, note=note)
    await act(request, ref, act_order, DESK)
    raise web.HTTPSeeOther(f"{path_of(*ref)}#conversation")


async def post_answer(request: web.Request) -> web.StreamResponse:
    """Send it, and show the order again."""
    return await once_by_form(request, _answer)


async def _answer(request: web.Request) -> web.StreamResponse:
    form = await form_of(request)
    ref = order_ref(request)
    customer_answer = CustomerAnswer(text=form.get("text", ""), channel=form.get("channel", ""))
    await answer_customer(request, ref, customer_answer)
    raise web.HTTPSeeOther(f"{path_of(*ref)}#conversation")


async def post_answering(request: web.Request) -> web.StreamResponse:
    """Show other agents that the caller is about to answer."""
    await show_answering(request, order_ref(request))
    return web.Response(status=204)


async def post_move(request: web.Request) -> web.StreamResponse:
    """Move a message to the order that it belongs to, and show that order."""
    form = await form_of(request)
    workflow, _, order_id = form.get("order", "").strip().partition("/")
    ref = OrderRef(workflow, order_id) if order_id else await _named(request, workflow)
    try:
        await move(request, request.match_info["id"], ref)
    except NoSuchOrder:
        raise Rejection(f"order: there is no order {ref.reference[:60]!r} of {ref.workflow!r}") from None
    raise web.HTTPSeeOther(f"{path_of(*ref)}#conversation")


async def _named(request: web.Request, spelling: str) -> OrderRef:
    """The order that goes by this id, or by any spelling that finds but one; raises Rejection."""
    orders = request.app[CONTEXT].orders
    async with orders.ledger.reading() as tx:
        found, _ = await search(tx, Search(q=spelling, limit=MOST_NAMED), orders.time.now(), scope=scope_of(request))
    some = [o for o in found if o.order_id.casefold() == spelling.casefold()] or found
    if len(some) == 1:
        return OrderRef(some[0].workflow, some[0].order_id)
    if not some or not spelling:
        raise Rejection(f"order: there is no order {spelling[:60]!r}")
    named = ", ".join(f"{o.workflow}/{o.order_id}" for o in some[:3])
    raise Rejection(f"order: several go by that, such as {named}; write one as it stands here")

"""Conversations on the desk: the tray of unanswered ones, an order's conversation live, and agents' answers."""

from aiohttp import web

from service.domain.errors import Rejection
from service.domain.events import Note
from service.domain.order import OrderRef
from service.intake.acts import DESK
from service.orders import NoSuchOrder
from service.web.acts import act
from service.web.conversations import answer_customer, move, show_answering, shown, tray
from service.web.desk.orders import path_of
from service.web.desk.page import render
from service.web.known import teams_of, workflows_of
from service.web.news import mark_of, news
from service.web.once import once_by_form
from service.web.orders import order_ref
from service.web.page_values import PageValues
from service.web.params import form_of
from service.web.problems import Problem
from service.web.schemas.acts import ActOrder
from service.web.schemas.conversations import CustomerAnswer


async def conversations(request: web.Request) -> web.StreamResponse:
    """Conversations that wait for an answer, longest first, and messages that belong to no known order."""
    return await render(request, "conversations.html.j2", await _tray(request), here="/desk/conversations")


async def tray_rows(request: web.Request) -> web.StreamResponse:
    """The rows alone, as soon as they differ from what the page shows; 204 where nothing changes in time."""
    found = await news(request, lambda: tray(request))
    if found is None:
        return web.Response(status=204)
    return await render(request, "tray_rows.html.j2", {"tray": found[0], "seen": found[1]})


async def _tray(request: web.Request) -> PageValues:
    found = await tray(request)
    teams = sorted(teams_of(request))
    return {"tray": found, "seen": mark_of(found), "query": request.query_string, "teams": teams}


async def talk(request: web.Request) -> web.StreamResponse:
    """An order's conversation alone, as soon as it differs from what its page shows; 204 where nothing changes."""
    ref = order_ref(request)
    found = await news(request, lambda: shown(request, ref))
    if found is None:
        return web.Response(status=204)
    values = {"talk": found[0], "seen": found[1], "base": path_of(*ref)}
    return await render(request, "talk.html.j2", values)


async def do_what_is_asked(request: web.Request) -> web.StreamResponse:
    """Perform the act that the customer asks for, and show the order again."""
    return await once_by_form(request, _do)


async def _do(request: web.Request) -> web.StreamResponse:
    ref = order_ref(request)
    offered = (await shown(request, ref)).act
    if offered is None or offered.reply != (await form_of(request)).get("reply"):
        raise Problem(409, "Not possible now", "this is not what the customer waits for any more; look again")
    note = Note(f"{offered.title}: as the customer asked", public=False)
    asked = ActOrder(offered.act, status=offered.status, attributes=offered.attributes, note=note)
    await act(request, ref, asked, DESK)
    raise web.HTTPSeeOther(f"{path_of(*ref)}#conversation")


async def post_answer(request: web.Request) -> web.StreamResponse:
    """Send it, and show the order again."""
    return await once_by_form(request, _answer)


async def _answer(request: web.Request) -> web.StreamResponse:
    form = await form_of(request)
    ref = order_ref(request)
    said = CustomerAnswer(text=form.get("text", ""), channel=form.get("channel", ""))
    await answer_customer(request, ref, said)
    raise web.HTTPSeeOther(f"{path_of(*ref)}#conversation")


async def post_answering(request: web.Request) -> web.StreamResponse:
    """Show other agents that the caller is about to answer."""
    await show_answering(request, order_ref(request))
    return web.Response(status=204)


async def post_move(request: web.Request) -> web.StreamResponse:
    """Move a message to the order that it belongs to, and show that order."""
    form = await form_of(request)
    workflow, _, order_id = form.get("order", "").strip().partition("/")
    ref = OrderRef(workflow, order_id) if order_id else _named(request, workflow)
    try:
        await move(request, request.match_info["id"], ref)
    except NoSuchOrder:
        raise Rejection(f"order: there is no order {ref.reference[:60]!r} of {ref.workflow!r}") from None
    raise web.HTTPSeeOther(f"{path_of(*ref)}#conversation")


def _named(request: web.Request, order_id: str) -> OrderRef:
    """The order of this id, where only one workflow is installed; raises Rejection."""
    workflows = [w.name for w in workflows_of(request)]
    if len(workflows) != 1:
        raise Rejection(f"order: write it as WORKFLOW/ORDER, with one of {', '.join(sorted(workflows))}")
    return OrderRef(workflows[0], order_id)

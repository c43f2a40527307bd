"""Forms of the board, which work without scripts, too: one act on many escalations, and the handover."""

from datetime import datetime, timedelta
from typing import Final, cast, get_args

from aiohttp import web
from msgspec import Struct

from service.domain.calendars import zone_of
from service.domain.causes import EscalationAct
from service.domain.errors import Rejection
from service.domain.transitions import require_known
from service.ledger.escalations.views import EscalationFilter, listed, listed_incidents
from service.web.auth import scope_of
from service.web.context import CALLER, CONTEXT
from service.web.desk.board import people_of, values_of
from service.web.desk.errors import back_of
from service.web.desk.page import render
from service.web.desk.titles import Titles
from service.web.desk.urgency import Row, rows_of
from service.web.escalation_acts import ActDetails, handle, snooze_until
from service.web.page_values import PageValues
from service.web.params import Form, form_of
from service.web.problems import Problem

# The act that removes the owner.
PUT_BACK: Final = "back"
MORNING: Final = 9
LONGEST_MINUTES: Final = 5
MOST: Final = 200
MINE: Final = 1000


class RefusedAct(Struct, frozen=True):
    """An act that was refused, and why."""

    id: str
    why: str


async def act_on_many(request: web.Request) -> web.StreamResponse:
    """Perform one act on all chosen escalations, and return to the board, which shows what was refused."""
    form = await form_of(request)
    single, _, one = form.get("one", "").partition(":")
    act_name, ids = (single, [one]) if single else (form.get("act", ""), form.getall("ids", []))
    require_known("act", act_name, (*get_args(EscalationAct), PUT_BACK), "act")
    act = cast(EscalationAct, "assign" if act_name == PUT_BACK else act_name)
    if not ids:
        raise Problem(422, "Nothing chosen", "choose at least one line of the board, then what to do with them")
    details = ActDetails() if act_name == PUT_BACK else _details_in(request, act, form)
    refused = await _each(request, ids[:MOST], act, details)
    if not refused:
        back = back_of(request)
        raise web.HTTPSeeOther(back if back.startswith("/desk?") else "/desk")
    values = {**await values_of(request), "refused": refused, "people": await people_of(request)}
    return await render(request, "board.html.j2", values, here="/desk", status=409)


async def _each(request: web.Request, ids: list[str], act: EscalationAct, details: ActDetails) -> list[RefusedAct]:
    refused = []
    for one in dict.fromkeys(ids):
        try:
            await handle(request, one, act, details)
        except (Problem, Rejection) as problem:
            refused.append(RefusedAct(one, getattr(problem, "detail", "") or str(problem)))
    return refused


def _details_in(request: web.Request, act: str, form: Form) -> ActDetails:
    """The rest of the form: comment, snooze, new owner; raises Rejection, Problem."""
    comment, me = form.get("comment", "")[:2000], request[CALLER].name
    if act == "snooze":
        return ActDetails(comment, _until(request, form))
    if act == "assign":
        to = form.get("to", "").strip()
        return ActDetails(comment, to=me if to in ("", "me") else to, take_over=bool(form.get("take_over")) or to != "")
    return ActDetails(comment)


def _until(request: web.Request, form: Form) -> datetime:
    """`for`: minutes, `morning`, or a moment as the browser's field says it, in the packs' first time zone."""
    text, now = form.get("for", "") or "30", request.app[CONTEXT].orders.time.now()
    zone = zone_of(next((p.workflow.timezone for p in request.app[CONTEXT].orders.packs), "UTC"))
    if text == "morning":
        local = (now.astimezone(zone) + timedelta(days=1)).replace(hour=MORNING, minute=0, second=0, microsecond=0)
        return snooze_until(request, local, None)
    if text.isascii() and text.isdigit() and len(text) <= LONGEST_MINUTES:
        return snooze_until(request, None, int(text))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Rejection("for: minutes, 'morning', or a moment is expected") from None
    return snooze_until(request, moment if moment.tzinfo else moment.replace(tzinfo=zone), None)


async def show_handover(request: web.Request) -> web.StreamResponse:
    """The handover sheet: everything that the caller owns, to be assigned to somebody with a note."""
    return await _sheet(request, {})


async def hand_over(request: web.Request) -> web.StreamResponse:
    """Assign all of it, or the chosen part, to one person."""
    form = await form_of(request)
    to, ids = form.get("to", "").strip(), form.getall("ids", [])
    if not to:
        raise Problem(422, "Not accepted", "to: say to whom")
    if not ids:
        raise Problem(422, "Nothing chosen", "there is nothing to hand over")
    note = form.get("comment", "")[:2000]
    # What a colleague has taken over since the sheet was read stays theirs.
    refused = await _each(request, ids[:MINE], "assign", ActDetails(note, to=to))
    return await _sheet(request, {"given": len(ids) - len(refused), "to": to, "note": note, "refused": refused})


async def _sheet(request: web.Request, more: PageValues) -> web.StreamResponse:
    values = {"rows": await _mine(request), "people": await people_of(request), **more}
    return await render(request, "handover.html.j2", values, here="/desk")


async def _mine(request: web.Request) -> list[Row]:
    orders = request.app[CONTEXT].orders
    wanted = EscalationFilter(owner=request[CALLER].name, limit=MINE)
    now, scope = orders.time.now(), scope_of(request)
    async with orders.ledger.reading() as tx:
        found, _, _ = await listed(tx, wanted, now, scope=scope)
        gathered = await listed_incidents(tx, wanted, now, scope=scope)
    return rows_of(Titles(orders.packs), found, gathered)

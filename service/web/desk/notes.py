"""Notes that agents write on an order's page: acts like any other, internal unless they say otherwise."""

from typing import Final

from aiohttp import web

from service.domain.events import Note
from service.intake.acts import DESK
from service.web.acts import act
from service.web.desk.orders import path_of
from service.web.once import once_by_form
from service.web.orders import order_ref
from service.web.params import form_of
from service.web.problems import Problem
from service.web.schemas import ActOrder

MOST_LETTERS: Final = 2000


async def add_note(request: web.Request) -> web.StreamResponse:
    """Add it, and show the order again."""
    return await once_by_form(request, _add)


async def _add(request: web.Request) -> web.StreamResponse:
    form, ref = await form_of(request), order_ref(request)
    text = form.get("text", "").strip()[:MOST_LETTERS]
    if not text:
        raise Problem(422, "Not accepted", "text: some words are expected")
    await act(request, ref, ActOrder("note", note=Note(text, form.get("public", "") == "true")), DESK)
    raise web.HTTPSeeOther(f"{path_of(*ref)}#notes")

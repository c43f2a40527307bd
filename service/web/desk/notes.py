"""Notes and comments that agents write on an order's page: acts like any other, internal unless said otherwise."""

from typing import Final

from aiohttp import web

from service.domain.attached import Attached
from service.domain.errors import Rejection
from service.domain.events import Note
from service.domain.order import OrderRef
from service.intake.acts import DESK
from service.ledger.orders.locking import find
from service.orders import NoSuchOrder
from service.web.acts import act
from service.web.attachments import keep
from service.web.auth import scope_of
from service.web.context import CONTEXT
from service.web.desk.acts import shown_again
from service.web.desk.orders import path_of
from service.web.once import once_by_form
from service.web.orders import order_ref
from service.web.params import form_of
from service.web.problems import Problem
from service.web.schemas.acts import ActOrder
from service.web.uploads import form_file

MOST_LETTERS: Final = 2000
# The prefix of form values that name the side a comment is for.
TO: Final = "to "


async def add_note(request: web.Request) -> web.StreamResponse:
    """Add the note, and show the order again."""
    return await once_by_form(request, _add)


async def _add(request: web.Request) -> web.StreamResponse:
    form, ref = await form_of(request, files=True), order_ref(request)
    try:
        text = form.get("text", "").strip()
        if not text:
            raise Problem(422, "Not accepted", "text: some words are expected")
        if len(text) > MOST_LETTERS:
            message = f"text: has {len(text)} characters; at most {MOST_LETTERS} are taken"
            raise Problem(422, "Not accepted", message)
        files = await _files(request, ref)
        await act(request, ref, _act_order(text, form.get("public", ""), files), DESK)
    except (Problem, Rejection) as problem:
        return await shown_again(request, form, problem)
    raise web.HTTPSeeOther(f"{path_of(*ref)}#notes")


def _act_order(text: str, for_whom: str, files: tuple[Attached, ...]) -> ActOrder:
    """A note, internal or public, or a comment to one side."""
    _, is_comment, side = for_whom.partition(TO)
    if is_comment:
        return ActOrder("comment", note=Note(text, True, files, side))
    return ActOrder("note", note=Note(text, for_whom == "true", files))


async def _files(request: web.Request, ref: OrderRef) -> tuple[Attached, ...]:
    """The file that goes with the note, if one was chosen; raises Problem for one that is not taken."""
    if not getattr((await request.post()).get("file"), "filename", ""):
        return ()
    async with request.app[CONTEXT].orders.ledger.reading() as tx:
        order = await find(tx, *ref, scope=scope_of(request))
    if order is None:
        raise NoSuchOrder
    return ((await keep(request, order, await form_file(request, "file"))).attached,)

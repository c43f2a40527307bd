"""Notes that agents write on an order's page: events like any other, through the same intake."""

from typing import Final

import msgspec
from aiohttp import web

from service.domain.errors import Rejection
from service.intake.decoding import Incoming
from service.ledger.auditing.lines import write_audit
from service.ledger.database.engine import new_uuid
from service.web.audited import audit_line, name_of
from service.web.context import CALLER, CONTEXT
from service.web.desk.orders import path_of
from service.web.once import once_by_form
from service.web.orders import load_order, order_ref
from service.web.params import form_of
from service.web.problems import Problem

SOURCE: Final = "/desk"
MOST_LETTERS: Final = 2000
STRUCTURED: Final = "application/cloudevents+json"


async def add_note(request: web.Request) -> web.StreamResponse:
    """Take it in as `order.note_added`, and show the order again."""
    return await once_by_form(request, _add)


async def _add(request: web.Request) -> web.StreamResponse:
    form, ref, context = await form_of(request), order_ref(request), request.app[CONTEXT]
    text = form.get("text", "").strip()[:MOST_LETTERS]
    if not text:
        raise Problem(422, "Not accepted", "text: some words are expected")
    # Raises where there is no such order: a note would make its publisher wait for one.
    await load_order(request)
    caller = request[CALLER]
    event = {
        "specversion": "1.0",
        "id": f"note-{new_uuid()}",
        "source": SOURCE,
        "type": "order.note_added",
        "subject": ref.reference,
        "time": context.orders.time.now().isoformat(),
        "datacontenttype": "application/json",
        "data": {
            "workflow": ref.workflow,
            "actor": {"id": name_of(caller), "name": caller.name},
            "note": {"text": text, "public": form.get("public", "") == "true"},
        },
    }
    (verdict,) = await context.intake.take([Incoming(msgspec.json.encode(event), STRUCTURED)], dead_letter=False)
    if verdict.outcome == "rejected":
        raise Rejection(verdict.reason)
    async with context.orders.ledger.transaction() as tx:
        await write_audit(tx, [audit_line(request, "note.added", *ref)], context.orders.time.now())
    raise web.HTTPSeeOther(f"{path_of(*ref)}#notes")

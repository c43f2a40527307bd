"""`POST /v1/orders/{workflow}/{order_id}/acts`: what people do to an order, taken in as an event from us."""

from typing import Final

import msgspec
from aiohttp import web
from msgspec import UNSET, structs

from service.domain.acting import Given, NotAllowed, allowed, event_of
from service.domain.acts import TAKES
from service.domain.errors import NotNow
from service.domain.events import EventType
from service.domain.json_object import JsonObject
from service.domain.order import Order, OrderRef
from service.domain.scopes import EVERYTHING
from service.domain.seeing import own_ids
from service.earlier_packs import recall
from service.intake.acts import API, DESK, OUTSIDE, STALE
from service.intake.cloudevents import STRUCTURED
from service.intake.decoding import Acted, Incoming
from service.intake.verdicts import Verdict
from service.ledger.database.faults import is_outage
from service.ledger.orders.locking import find
from service.ledger.orders.views import changes_since
from service.orders import NoSuchOrder
from service.web import row_imports
from service.web.attachments import with_files
from service.web.audited import noted
from service.web.auth import roles_of, scope_of
from service.web.context import CALLER, CONTEXT
from service.web.orders import order_ref
from service.web.own_events import event_by
from service.web.params import answer, body_of
from service.web.party_view import actor_of, lines_seen, viewer_of, with_own
from service.web.problems import Problem
from service.web.schemas.acts import ActAnswer, ActOrder

CREATE: Final = "create"
ADD_ROWS: Final = "add_rows"
# How often an act without a version is tried while the order keeps changing.
TRIES: Final = 5
# The timeline lines that make an act's version stale; clocks, messages and escalations do not.
MATTERS: Final = frozenset({
    "status_changed", "status_repeated", "adopted", "data_updated", "late_event", "reassigned", "note_added",
    "issue_reported", "reply_received", "reply_moved", "customer_answered", "links_revoked", "person_erased",
})  # fmt: skip


async def post_act(request: web.Request) -> web.StreamResponse:
    """Perform the act, if the pack allows it to this caller in the order's current status."""
    act_order = await body_of(request, ActOrder)
    ref = order_ref(request)
    if act_order.act == ADD_ROWS:
        return await _add_rows(request, act_order)
    if act_order.lists:
        raise Problem(422, "Not accepted", f"lists: goes with {ADD_ROWS!r} alone")
    source = DESK if request[CALLER].session_id else API
    after, verdict = await act(request, ref, act_order, source)
    warnings = verdict.event.warnings if verdict.event else ()
    done = ActAnswer(after.workflow, after.reference, after.entries, after.status, after.stage, warnings)
    return answer(done, 201 if act_order.act == CREATE else 200)


async def _add_rows(request: web.Request, act_order: ActOrder) -> web.StreamResponse:
    """Add rows to one list of the order; the list says who may change it, and when. Raises Problem, NotNow."""
    if len(act_order.lists) != 1 or act_order.version is not None:
        raise Problem(422, "Not accepted", "lists: rows for one list are expected, and no version")
    ((name, given),) = act_order.lists.items()
    noted(request, "rows.added", list=name, rows=len(given.rows))
    of = await row_imports.list_of(request, name)
    row_imports.require_may_change(request, of)
    read = await row_imports.checked_rows(request, of, given.rows)
    row_imports.refuse(read)
    try:
        await row_imports.store_and_take(request, of, read, row_imports.new_batch())
    finally:
        read.rows.close()
    async with request.app[CONTEXT].orders.ledger.reading() as tx:
        after = await find(tx, *of.order.ref, scope=EVERYTHING)
    assert after is not None
    return answer(ActAnswer(after.workflow, after.reference, after.entries, after.status, after.stage, ()))


async def act(request: web.Request, ref: OrderRef, act_order: ActOrder, source: str) -> tuple[Order, Verdict]:
    """Perform the act; the order afterwards, and intake's verdict. Raises Problem, Rejection."""
    context = request.app[CONTEXT]
    noted(request, f"act.{act_order.act}" if act_order.act in TAKES else "", workflow=ref.workflow)
    seen = act_order.version
    act_order = await with_files(request, act_order)
    for _ in range(TRIES):
        verdict = await _tried(request, ref, act_order, source, seen)
        # Without a version the act is meant for the current order: if that changed meanwhile, read it again.
        if verdict.reason != STALE:
            break
        if seen is not None:
            seen = await _still(request, ref, seen)
    if verdict.reason == OUTSIDE:
        raise NoSuchOrder
    if verdict.reason == STALE and act_order.act == CREATE and not scope_of(request).is_everything:
        # The order exists, outside the caller's scope.
        raise NoSuchOrder
    if verdict.reason == STALE:
        raise Problem(409, "Changed meanwhile", STALE)
    if verdict.outcome == "rejected":
        raise Problem(422, "Not accepted", verdict.reason.replace("data.", ""))
    async with context.orders.ledger.reading() as tx:
        # Callers may see the result of their act, even if it moved the order out of their scope.
        after = await find(tx, *ref, scope=EVERYTHING)
    assert after is not None
    return after, verdict


async def _tried(request: web.Request, ref: OrderRef, act_order: ActOrder, source: str, version: int | None) -> Verdict:
    """Intake's verdict on the act, if the order allows it now; raises Problem, Rejection."""
    orders = request.app[CONTEXT].orders
    async with orders.ledger.reading() as tx:
        before = await find(tx, *ref, scope=scope_of(request))
        if before is not None:
            await recall(tx, orders.packs, [(ref.workflow, before.version)])
    seen = before.entries if before else 0
    try:
        kind, data = _as_event(request, ref, before, act_order)
    except Problem as problem:
        if version is not None and version != seen and problem.status == 409:
            # It was allowed when they looked: answer with what has changed rather than why it is refused now.
            await _still(request, ref, version)
        raise
    data["actor"] = actor_of(request, before)
    if before is None and (viewer := viewer_of(request)):
        data["recipients"] = with_own(data.get("recipients", {}), viewer)
    version = seen if version is None else version
    body = event_by(request, ref, kind, data, source)
    return await taken(request, Incoming(body, STRUCTURED, acted=Acted(version), scope=request[CALLER].scope))


async def taken(request: web.Request, message: Incoming) -> Verdict:
    """Intake's verdict on an act; raises Problem while the database is unavailable."""
    try:
        (verdict,) = await request.app[CONTEXT].intake.take([message], dead_letter=False)
    except Exception as error:
        if is_outage(error):
            raise Problem(503, "Unavailable", "the database did not answer; do it again") from error
        raise
    return verdict


def _as_event(
    request: web.Request, ref: OrderRef, before: Order | None, act_order: ActOrder
) -> tuple[EventType, JsonObject]:
    """The act as an event's type and data; raises Problem for one that this caller may not do, or not now."""
    orders, caller = request.app[CONTEXT].orders, request[CALLER]
    workflow = orders.packs.for_order(ref.workflow, before.version if before else "").workflow
    if before is None and act_order.act != CREATE:
        raise Problem(404, "No such order", "no order of this workflow has this id")
    if before is not None and act_order.act == CREATE:
        raise Problem(409, "Not possible", "there is an order with this id already")
    given = Given(**{name: getattr(act_order, name) for name in Given.__struct_fields__})
    given = structs.replace(given, assignee=_plain(act_order.assignee))
    roles = roles_of(caller)
    try:
        doing = allowed(workflow, before, act_order.act, roles)
        return event_of(workflow, doing, before, given, roles)
    except NotAllowed as refused:
        raise Problem(403, "Not allowed", refused.reason) from None
    except NotNow as refused:
        raise Problem(409, "Not possible now", refused.reason) from None


def _plain(assignee: object) -> object:
    return assignee if assignee is UNSET or assignee is None else msgspec.to_builtins(assignee)


async def _still(request: web.Request, ref: OrderRef, seen: int) -> int:
    """The order's current version, if nothing relevant happened since it was `seen`; raises Problem listing what did.

    Messages that went out and clocks that stopped are not relevant.
    """
    scope = scope_of(request)
    async with request.app[CONTEXT].orders.ledger.reading() as tx:
        now = await find(tx, *ref, scope=scope)
        changed = await changes_since(tx, now.id, seen, scope=scope) if now else []
    if now is None and not scope.is_everything:
        raise NoSuchOrder
    version = now.entries if now else 0
    # Internal notes of others do not make the version stale for a party.
    if now is not None and (viewer := viewer_of(request)):
        changed = lines_seen(changed, viewer.role, own_ids(now, viewer.role, scope))
    if now is not None and seen < version and not any(line["kind"] in MATTERS for line in changed):
        return version
    raise Problem(409, "Changed meanwhile", STALE, changed=changed, version=version)

"""`/v1/broadcasts`: one manual notice to all orders that a filter finds."""

from uuid import UUID

from aiohttp import web
from msgspec import structs

from service.broadcasting import MOST, Broadcast, broadcast
from service.domain.errors import Rejection
from service.domain.transitions import require_known
from service.ledger.database.transaction import Transaction
from service.ledger.messages.listing import found_messages
from service.ledger.orders.search import Search, search
from service.web.audited import audit_line, noted
from service.web.auth import scope_of
from service.web.context import CALLER, CONTEXT
from service.web.known import require_workflow
from service.web.messages import filter_in_words, listed_in, wanted_in_body
from service.web.params import answer, body_of
from service.web.problems import Problem
from service.web.schemas.notices import BroadcastAnswer, BroadcastOrder, OrderFilter


async def tell_all(request: web.Request) -> web.StreamResponse:
    """Send the notice to all orders that the filter finds, or count them."""
    return answer(await tell(request, await body_of(request, BroadcastOrder)))


async def tell(request: web.Request, broadcast_order: BroadcastOrder) -> BroadcastAnswer:
    """Send to them, or count them; raises Rejection, Problem."""
    context = request.app[CONTEXT]
    workflow = require_workflow(request, broadcast_order.workflow)
    manual = [n.name for n in workflow.notices.values() if n.manual]
    require_known("manual notice", broadcast_order.notice, manual, "notice")
    for channel in broadcast_order.channels:
        require_known("channel", channel, workflow.notices[broadcast_order.notice].channels, "channels")
    for status in listed_in(broadcast_order.filter.status):
        require_known("status", status, workflow.statuses, "filter.status")
    if broadcast_order.filter.stage:
        require_known("stage", broadcast_order.filter.stage, workflow.stages, "filter.stage")
    if broadcast_order.filter == OrderFilter():
        raise Problem(422, "Not accepted", "filter: say which orders; without any filter it would be all")
    async with context.orders.ledger.reading() as tx:
        ids = await _found(request, tx, broadcast_order)
    if len(ids) > MOST:
        raise Rejection(f"filter: more than {MOST:,} orders match; narrow it")
    noted(
        request,
        "broadcast.counted",
        notice=broadcast_order.notice,
        wanted=_filter_in_words(request, broadcast_order.filter),
    )
    line = None if broadcast_order.dry_run else audit_line(request, "broadcast.sent", broadcast_order.workflow)
    what = Broadcast(
        broadcast_order.notice,
        request[CALLER].name,
        tuple(broadcast_order.channels),
        broadcast_order.inputs,
        broadcast_order.per_minute,
        broadcast_order.dry_run,
    )
    done = await broadcast(context.orders, what, ids, line)
    return BroadcastAnswer(broadcast_order.dry_run, **structs.asdict(done))


def _filter_in_words(request: web.Request, f: OrderFilter) -> list[str]:
    """The filter for the audit log, without what may name a person."""
    parts = {"status": " or ".join(listed_in(f.status)), "stage": f.stage, "assignee": "one" if f.assignee else ""}
    flags = {"open": f.open, "overdue": f.overdue}
    told = filter_in_words(wanted_in_body(request, f.told)) if f.told else []
    return [
        *(f"{name} {value}" for name, value in parts.items() if value),
        *(name for name, value in flags.items() if value),
        *(f"told: {part}" for part in told),
    ]


async def _found(request: web.Request, tx: Transaction, broadcast_order: BroadcastOrder) -> list[UUID]:
    """The orders, the newest first."""
    f, now, scope = broadcast_order.filter, request.app[CONTEXT].orders.time.now(), scope_of(request)
    wanted = Search(
        workflow=broadcast_order.workflow,
        statuses=listed_in(f.status),
        stage=f.stage,
        assignee=f.assignee,
        overdue=f.overdue,
        open_only=bool(f.open),
        limit=MOST + 1,
    )
    if f.told is None:
        return [o.id for o in (await search(tx, wanted, now, scope=scope))[0]]
    of_messages = structs.replace(wanted_in_body(request, f.told), workflow=broadcast_order.workflow, limit=MOST + 1)
    ids = tuple(dict.fromkeys(m.order_id for m in await found_messages(tx, of_messages, scope=scope)))
    if not ids:
        return []
    return [o.id for o in (await search(tx, structs.replace(wanted, ids=ids), now, scope=scope))[0]]

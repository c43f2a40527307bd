"""`/v1/holds`: holding messages back, and releasing them."""

from collections import Counter

from aiohttp import web

from service.channels import registry
from service.domain.errors import Rejection
from service.domain.transitions import require_known
from service.ledger.auditing.lines import write_audit
from service.ledger.database.wakeups import HOLDS_TOPIC, announce
from service.ledger.messages import holds
from service.ledger.messages.holds import Hold
from service.web.audited import audit_line
from service.web.auth import scope_of
from service.web.context import CALLER, CONTEXT
from service.web.known import workflows_of
from service.web.params import answer, body_of, uuid_of
from service.web.problems import Problem
from service.web.schemas.messages import HoldRequest, Holds, HoldShown


async def list_holds(request: web.Request) -> web.StreamResponse:
    """All holds, with how many messages wait because of each."""
    return answer(Holds(await hold_lines(request)))


async def hold_lines(request: web.Request) -> list[HoldShown]:
    """All holds as lines, the oldest first."""
    scope = scope_of(request)
    async with request.app[CONTEXT].orders.ledger.reading() as tx:
        active = await holds.active(tx, scope=scope)
        waiting = await holds.waiting(tx, scope=scope)
    counted = Counter[str]()
    for kind, count in waiting.items():
        counted.update({str(h.id): count for h in active if h.covers(*kind)})
    return [_line(h, counted[str(h.id)]) for h in active]


async def put_hold(request: web.Request) -> web.StreamResponse:
    """Hold messages of a channel, a workflow, a notice, or of a combination of these; in effect within a second."""
    return answer(await put(request, await body_of(request, HoldRequest)), 201)


async def put(request: web.Request, wanted: HoldRequest) -> HoldShown:
    """Begin the hold; raises Problem, Rejection."""
    orders = request.app[CONTEXT].orders
    if not (wanted.channel or wanted.workflow or wanted.notice):
        raise Problem(422, "Not accepted", "a channel, a workflow or a notice is expected")
    if wanted.channel:
        require_known("channel", wanted.channel, registry.channels(), "channel")
    if wanted.workflow:
        require_known("workflow", wanted.workflow, [w.name for w in workflows_of(request)], "workflow")
    elif not scope_of(request).is_everything:
        raise Rejection("workflow: is needed, as your key is limited to some workflows")
    packs = [w for w in workflows_of(request) if wanted.workflow in ("", w.name)]
    if wanted.notice:
        require_known("notice", wanted.notice, {n for workflow in packs for n in workflow.notices}, "notice")
    line = audit_line(request, "hold.put", wanted.workflow, channel=wanted.channel, notice=wanted.notice)
    by, now = request[CALLER].name, orders.time.now()
    async with orders.ledger.transaction() as tx:
        hold = await holds.put(tx, wanted.channel, wanted.workflow, wanted.notice, by, wanted.why, now)
        await announce(tx, {HOLDS_TOPIC}, orders.wakeups.origin)
        await write_audit(tx, [line], now)
    orders.wakeups.wake({HOLDS_TOPIC})
    return _line(hold, 0)


async def end_hold(request: web.Request) -> web.StreamResponse:
    """Release it: messages that waited go out, unless they have expired or been superseded."""
    await release(request)
    return web.Response(status=204)


async def release(request: web.Request) -> None:
    """Release the hold that the path names; raises Problem."""
    orders = request.app[CONTEXT].orders
    hold_id, now = uuid_of(request.match_info["id"], "hold"), orders.time.now()
    async with orders.ledger.transaction() as tx:
        hold = await holds.release(tx, hold_id, now, scope=scope_of(request))
        if hold is None:
            raise Problem(404, "No such hold", "there is no hold with this id, or it was released")
        await announce(tx, {HOLDS_TOPIC}, orders.wakeups.origin)
        line = audit_line(request, "hold.released", hold.workflow, channel=hold.channel, notice=hold.notice)
        await write_audit(tx, [line], now)
    orders.wakeups.wake({HOLDS_TOPIC})


def _line(hold: Hold, waiting: int) -> HoldShown:
    return HoldShown(str(hold.id), hold.channel, hold.workflow, hold.notice, hold.at, hold.by, hold.why, waiting)

"""`/v1/escalations...`: lists, and acts on one or many."""

from typing import Final

from aiohttp import web

from service.domain.causes import EscalationAct
from service.domain.errors import Rejection
from service.ledger.escalations.views import EscalationFilter, listed, listed_incidents, members
from service.web.auth import scope_of
from service.web.context import CALLER, CONTEXT
from service.web.escalation_acts import ActDetails, handle, snooze_until
from service.web.known import check_names
from service.web.params import answer, body_of, uuid_of
from service.web.problems import Problem
from service.web.queries import query_of
from service.web.query_types import EscalationsQuery
from service.web.schemas.escalations import (
    Assignment,
    BulkOrder,
    BulkResult,
    BulkResults,
    EscalationPage,
    Handled,
    Remark,
    Snooze,
)

ME: Final = "me"


async def list_escalations(request: web.Request) -> web.StreamResponse:
    """Escalations, most urgent first and snoozed ones last; unresolved ones unless `state` is given.

    `incident`: those of one incident.
    """
    context = request.app[CONTEXT]
    wanted = await wanted_of(request)
    q = query_of(request, EscalationsQuery)
    now, scope = context.orders.time.now(), scope_of(request)
    async with context.orders.ledger.reading() as tx:
        if q.incident:
            inside = await members(tx, uuid_of(q.incident, "incident"), wanted, now, scope=scope)
            return answer(EscalationPage(inside, [], len(inside), ""))
        found, total, cursor = await listed(tx, wanted, now, scope=scope)
        gathered = [] if wanted.cursor else await listed_incidents(tx, wanted, now, scope=scope)
    return answer(EscalationPage(found, gathered, total, cursor))


async def wanted_of(request: web.Request) -> EscalationFilter:
    """The query string as filters; raises Rejection."""
    q = query_of(request, EscalationsQuery)
    await check_names(request)
    owner = request[CALLER].name if q.owner == ME else q.owner
    return EscalationFilter(
        q.state, q.team, q.workflow, q.severity, q.older_than, owner, limit=q.limit, cursor=q.cursor
    )


async def acknowledge_escalation(request: web.Request) -> web.StreamResponse:
    """Acknowledge: the caller becomes the owner; refused while somebody else is."""
    return await _answered(request, "acknowledge", ActDetails((await body_of(request, Remark)).comment))


async def assign_escalation(request: web.Request) -> web.StreamResponse:
    """Set the owner: the caller, another person, or nobody."""
    body = await body_of(request, Assignment)
    to = request[CALLER].name if body.to is None else body.to.strip()
    return await _answered(request, "assign", ActDetails(body.comment, to=to, take_over=body.take_over))


async def resolve_escalation(request: web.Request) -> web.StreamResponse:
    """Resolve it."""
    return await _answered(request, "resolve", ActDetails((await body_of(request, Remark)).comment))


async def reopen_escalation(request: web.Request) -> web.StreamResponse:
    """Undo that it was acknowledged, snoozed or resolved."""
    return await _answered(request, "reopen", ActDetails((await body_of(request, Remark)).comment))


async def comment_on_escalation(request: web.Request) -> web.StreamResponse:
    """Add a comment; the state stays."""
    return await _answered(request, "comment", ActDetails((await body_of(request, Remark)).comment))


async def snooze_escalation(request: web.Request) -> web.StreamResponse:
    """Snooze it until a moment."""
    body = await body_of(request, Snooze)
    return await _answered(request, "snooze", ActDetails(body.comment, snooze_until(request, body.until, body.minutes)))


async def _answered(request: web.Request, act: EscalationAct, details: ActDetails) -> web.StreamResponse:
    state, handled = await handle(request, request.match_info["id"], act, details)
    return answer(Handled(request.match_info["id"], state, handled))


async def handle_many(request: web.Request) -> web.StreamResponse:
    """One act on up to 200 escalations or incidents; each is done by itself, so that one refusal stops no other."""
    body = await body_of(request, BulkOrder)
    until = snooze_until(request, body.until, body.minutes) if body.act == "snooze" else None
    to = request[CALLER].name if body.to is None else body.to.strip()
    details = ActDetails(body.comment, until, to, body.take_over, body.take_over_from)
    results = []
    for one in dict.fromkeys(body.ids):
        try:
            state, _ = await handle(request, one, body.act, details)
            results.append(BulkResult(one, state))
        except (Problem, Rejection) as refused:
            results.append(BulkResult(one, problem=getattr(refused, "detail", "") or str(refused)))
    return answer(BulkResults(results))

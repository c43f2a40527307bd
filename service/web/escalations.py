"""`/v1/escalations...`: lists, acts, and the live stream."""

from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from aiohttp import web

from service.domain.causes import HandleEscalation
from service.domain.errors import Rejection
from service.domain.order import OrderRef
from service.ledger.auditing.lines import write_audit
from service.ledger.database.wakeups import announce
from service.ledger.escalations import incidents, provider_health
from service.ledger.escalations.views import Wanted, home_of, listed, listed_incidents
from service.orders import NoSuchOrder
from service.web.audited import audit_line
from service.web.context import CALLER, CONTEXT
from service.web.known import check_names
from service.web.params import answer, body_of, uuid_of
from service.web.problems import Problem
from service.web.queries import query_of
from service.web.query_types import EscalationsQuery
from service.web.schemas import EscalationPage, Handled, Remark, Snooze

Act = Literal["acknowledge", "resolve", "snooze", "comment"]
LONGEST_SNOOZE: Final = timedelta(days=7)
_STATE_AFTER: Final = {"acknowledge": "acknowledged", "resolve": "resolved", "snooze": "snoozed", "comment": "open"}


async def list_escalations(request: web.Request) -> web.StreamResponse:
    """Most urgent first; what is not resolved unless `state` says otherwise."""
    context = request.app[CONTEXT]
    wanted = await wanted_of(request)
    async with context.orders.ledger.reading() as tx:
        found, total, cursor = await listed(tx, wanted, context.orders.time.now())
        gathered = [] if wanted.cursor else await listed_incidents(tx, wanted)
    return answer(EscalationPage(found, gathered, total, cursor))


async def wanted_of(request: web.Request) -> Wanted:
    """The query string as filters; raises Rejection."""
    q = query_of(request, EscalationsQuery)
    await check_names(request)
    return Wanted(q.state, q.team, q.workflow, q.severity, q.older_than, q.limit, q.cursor)


async def acknowledge_escalation(request: web.Request) -> web.StreamResponse:
    """Somebody has it."""
    return answer(await handle(request, "acknowledge", await body_of(request, Remark)))


async def resolve_escalation(request: web.Request) -> web.StreamResponse:
    """It is settled."""
    return answer(await handle(request, "resolve", await body_of(request, Remark)))


async def comment_on_escalation(request: web.Request) -> web.StreamResponse:
    """Words for whoever looks next; the state stays."""
    remark = await body_of(request, Remark)
    if not remark.comment.strip():
        raise Problem(422, "Not accepted", "comment: some words are expected")
    return answer(await handle(request, "comment", remark))


async def snooze_escalation(request: web.Request) -> web.StreamResponse:
    """Quiet until a moment."""
    return answer(await handle(request, "snooze", await body_of(request, Snooze)))


async def handle(request: web.Request, act: Act, said: Remark | Snooze) -> Handled:
    """Act on one escalation, or on every open one of an incident; raises Problem, Rejection."""
    orders = request.app[CONTEXT].orders
    escalation_id = uuid_of(request.match_info["id"], "escalation")
    until = None
    if isinstance(said, Snooze):
        if (said.until is None) == (said.minutes is None):
            raise Rejection("until: either a moment, or minutes, is expected")
        now = orders.time.now()
        until = said.until or now + timedelta(minutes=said.minutes or 0)
        if until <= now:
            raise Problem(422, "Not accepted", f"until: {until.isoformat()} is not in the future")
        if until > now + LONGEST_SNOOZE:
            raise Problem(
                422, "Not accepted", f"until: at most {LONGEST_SNOOZE.days} days from now; snooze it again then"
            )
    async with orders.ledger.reading() as tx:
        homes = await home_of(tx, escalation_id)
    handled, refused = 0, ""
    for member, workflow, order_id in homes:
        cause = HandleEscalation(orders.time.now(), member, act, request[CALLER].name, said.comment, until)
        line = audit_line(request, f"escalation.{act}", workflow, order_id)
        try:
            await orders.act(OrderRef(workflow, order_id), cause, [line])
            handled += 1
        except (Rejection, NoSuchOrder) as error:
            refused = getattr(error, "reason", "its order is gone")
    # Last, so that what broke off before can be asked for again.
    of_provider = await _handled_of_provider(request, escalation_id, act, until)
    if not homes and not of_provider:
        raise Problem(404, "No such escalation", "there is no escalation with this id")
    if not handled and not of_provider:
        raise Problem(409, "Not possible any more", refused)
    is_incident = escalation_id not in {member for member, _, _ in homes}
    if is_incident and not of_provider and act in ("acknowledge", "snooze"):
        async with orders.ledger.transaction() as tx:
            await incidents.set_state(tx, escalation_id, _STATE_AFTER[act], until)
    return Handled(str(escalation_id), _STATE_AFTER[act], max(handled, 1))


async def _handled_of_provider(request: web.Request, incident_id: UUID, act: Act, until: datetime | None) -> bool:
    """Act on the incident of a provider, which no order raised; whether it is one. Raises Problem."""
    orders = request.app[CONTEXT].orders
    now = orders.time.now()
    teams = {name: team for pack in orders.packs for name, team in pack.workflow.teams.items()}
    async with orders.ledger.transaction() as tx:
        incident = await provider_health.find_incident(tx, incident_id)
        if incident is None:
            return False
        if incident.state == "resolved" and act != "comment":
            raise Problem(409, "Not possible any more", "the incident is not open any more")
        if act != "comment":
            await provider_health.act_on(tx, incident, _STATE_AFTER[act], teams, orders.team_endpoints, now, until)
        line = audit_line(request, f"escalation.{act}", provider=incident.provider)
        await write_audit(tx, [line], now)
        await announce(tx, {"relay", "stream"}, orders.wakeups.origin)
    orders.wakeups.wake({"relay", "stream"})
    return True

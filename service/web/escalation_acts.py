"""Acts on escalations: on one, on every open one of an incident, and on a provider's incident."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from aiohttp import web
from msgspec import Struct

from service.domain.causes import EscalationAct, HandleEscalation
from service.domain.errors import Rejection
from service.domain.order import OrderRef
from service.ledger.auditing.lines import write_audit
from service.ledger.database.wakeups import announce
from service.ledger.escalations import handling, incidents, provider_health
from service.ledger.escalations.views import orders_of_escalation, sees_incident
from service.orders import NoSuchOrder
from service.unit_of_work import Result
from service.web.audited import audit_line
from service.web.auth import scope_of
from service.web.context import CALLER, CONTEXT
from service.web.params import uuid_of
from service.web.problems import Problem

LONGEST_SNOOZE: Final = timedelta(days=7)


class ActDetails(Struct, frozen=True):
    """What goes with an act: a comment, when a snooze ends, the new owner, and whom it may be taken from."""

    comment: str = ""
    until: datetime | None = None
    to: str = ""
    take_over: bool = False
    take_over_from: str = ""


def snooze_until(request: web.Request, until: datetime | None, minutes: int | None) -> datetime:
    """When the snooze ends (UTC); raises Rejection, Problem where that is missing, past, or too far ahead."""
    if (until is None) == (minutes is None):
        raise Rejection("until: either a moment, or minutes, is expected")
    now = request.app[CONTEXT].orders.time.now()
    until = until or now + timedelta(minutes=minutes or 0)
    if until <= now:
        raise Problem(422, "Not accepted", f"until: {until.isoformat()} is not in the future")
    if until > now + LONGEST_SNOOZE:
        raise Problem(422, "Not accepted", f"until: at most {LONGEST_SNOOZE.days} days from now; snooze it again then")
    return until


async def handle(request: web.Request, name: str, act: EscalationAct, details: ActDetails) -> tuple[str, int]:
    """Act on one escalation, or on every open one of an incident; its state now, and how many. Raises Problem."""
    orders = request.app[CONTEXT].orders
    escalation_id = uuid_of(name, "escalation")
    if act == "comment" and not details.comment.strip():
        raise Problem(422, "Not accepted", "comment: some words are expected")
    scope = scope_of(request)
    async with orders.ledger.reading() as tx:
        homes = await orders_of_escalation(tx, escalation_id, scope=scope)
        seen = await sees_incident(tx, escalation_id, scope=scope)
        incident = await handling.state_of_incident(tx, escalation_id) if seen else None
    if incident is not None:
        _require_free(request, incident, act, details)
    states, refused = [], "all that it gathered is settled; open those one by one"
    for member, workflow, order_id in homes:
        cause = await _cause(request, member, act, details)
        line = audit_line(request, f"escalation.{act}", workflow, order_id)
        try:
            states.append(_state_in(await orders.act(OrderRef(workflow, order_id), cause, [line], scope=scope), member))
        except (Rejection, NoSuchOrder) as error:
            refused = getattr(error, "reason", "its order is gone")
    state = _state_after(request, act, details)
    # Last, so that an act that was interrupted before can be repeated.
    of_provider = seen and await _handled_of_provider(request, escalation_id, act, state, details)
    if not homes and incident is None:
        raise Problem(404, "No such escalation", "there is no escalation with this id")
    if not states and not of_provider:
        raise Problem(409, "Not possible", refused)
    if incident is not None:
        await _keep(request, escalation_id, act, state, details, of_provider=of_provider)
    return states[0] if states and incident is None else state, max(len(states), 1)


def _state_in(result: Result, escalation_id: UUID) -> str:
    after = result.decision.order.escalations.values() if result.decision else ()
    return next((e.state for e in after if e.id == escalation_id), "resolved")


async def _cause(request: web.Request, member: UUID, act: EscalationAct, details: ActDetails) -> HandleEscalation:
    orders = request.app[CONTEXT].orders
    settled = None
    if act == "reopen":
        async with orders.ledger.reading() as tx:
            settled = await handling.find_resolved(tx, member)
    return HandleEscalation(
        orders.time.now(),
        member,
        act,
        request[CALLER].name,
        details.comment,
        details.until,
        details.to,
        details.take_over,
        details.take_over_from,
        settled,
    )


def _state_after(request: web.Request, act: EscalationAct, details: ActDetails) -> str:
    """The state after the act: taking acknowledges, being assigned does not, and comments change nothing."""
    if act == "assign":
        return "acknowledged" if details.to == request[CALLER].name else "open"
    return {"acknowledge": "acknowledged", "resolve": "resolved", "snooze": "snoozed"}.get(act, "open")


def _require_free(request: web.Request, incident: tuple[str, str], act: EscalationAct, details: ActDetails) -> None:
    state, owner = incident
    owns = act in ("acknowledge", "assign") or (act == "reopen" and state != "resolved")
    free = ("", request[CALLER].name, details.to, details.take_over_from)
    if owns and not details.take_over and owner not in free:
        raise Problem(409, "Somebody has it", f"{owner} has it; take it over explicitly (take_over)")
    if state == "resolved" and act not in ("comment", "reopen"):
        raise Problem(409, "Not possible any more", "the incident is not open any more")


async def _keep(
    request: web.Request, incident_id: UUID, act: EscalationAct, state: str, details: ActDetails, *, of_provider: bool
) -> None:
    """Store the incident's own state and owner."""
    if act == "comment":
        return
    owner = {"acknowledge": request[CALLER].name, "assign": details.to, "reopen": ""}.get(act)
    async with request.app[CONTEXT].orders.ledger.transaction() as tx:
        if not of_provider and act != "resolve":
            await incidents.set_state(tx, incident_id, state, details.until)
        if owner is not None:
            await handling.own_incident(tx, incident_id, owner)


async def _handled_of_provider(
    request: web.Request, incident_id: UUID, act: EscalationAct, state: str, details: ActDetails
) -> bool:
    """Act on a provider's incident, which belongs to no order; whether it is one."""
    orders = request.app[CONTEXT].orders
    now = orders.time.now()
    teams = {name: team for pack in orders.packs for name, team in pack.workflow.teams.items()}
    async with orders.ledger.transaction() as tx:
        incident = await provider_health.find_incident(tx, incident_id)
        if incident is None:
            return False
        if act != "comment":
            await provider_health.act_on(tx, incident, state, teams, orders.team_endpoints, now, details.until)
        line = audit_line(request, f"escalation.{act}", provider=incident.provider)
        await write_audit(tx, [line], now)
        await announce(tx, {"relay", "stream"}, orders.wakeups.origin)
    orders.wakeups.wake({"relay", "stream"})
    return True

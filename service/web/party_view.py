"""Orders as parties see them: the same documents, with what is not theirs left out or masked."""

from collections.abc import Collection
from typing import Any, TypeVar

import msgspec
from aiohttp import web
from msgspec import Struct, structs

from service.domain import seeing
from service.domain.json_object import JsonObject
from service.domain.lists import ListSpec
from service.domain.order import ASSIGNEE, Order
from service.domain.party_rules import PartyRules
from service.domain.persons import Assignee, Person, as_person
from service.domain.scopes import Party, Scope
from service.domain.workflow import Workflow
from service.ledger.orders.read_models import MessageShown, PersonShown
from service.ledger.orders.search import ListedOrder
from service.web.audited import name_of
from service.web.auth import is_party, scope_of
from service.web.context import CALLER
from service.web.schemas.orders import OrderDocument

P = TypeVar("P", bound=Person)


class Viewer(Struct, frozen=True):
    """A caller who belongs to a party: their audience, and the scope of orders that they see."""

    role: str
    scope: Scope


def viewer_of(request: web.Request) -> Viewer | None:
    """The party for which the caller looks; None for staff."""
    caller = request[CALLER]
    return Viewer(caller.role, scope_of(request)) if is_party(caller.role) else None


def order_seen(document: OrderDocument, order: Order, workflow: Workflow, viewer: Viewer) -> OrderDocument:
    """One order as the viewer sees it."""
    rules, ids = seeing.rules_of(workflow, viewer.role), seeing.own_ids(order, viewer.role, viewer.scope)
    people = [_person(p, p.audience, rules, ids, viewer.role) for p in document.people]
    recipients = {
        audience: tuple(_person(p, audience, rules, ids, viewer.role) for p in group)
        for audience, group in document.recipients.items()
    }
    messages = [m for m in document.messages if _is_told(m, _addresses(order, workflow, viewer.role, ids), viewer)]
    lines = lines_seen(document.timeline, viewer.role, ids, [m.id for m in messages])
    shown = seeing.attributes_of(workflow, viewer.role)
    return structs.replace(
        document,
        people=people,
        recipients=recipients,
        assignee=_assignee(order.assignee, document.assignee is not None, rules, ids, viewer.role),
        price=document.price if seeing.sees(rules, "price") else None,
        payment=document.payment if seeing.sees(rules, "payment") else None,
        attributes={name: value for name, value in document.attributes.items() if name in shown},
        messages=messages,
        timeline=lines,
        clocks=[],
        escalations=[],
        suppressions=[],
        answers=[],
        manual_notices=[],
        parent=None,
        parts=[],
    )


def lines_seen(
    lines: Collection[JsonObject], role: str, ids: Collection[str], messages: Collection[str] = ()
) -> list[JsonObject]:
    """The lines of a timeline that the viewer sees."""
    return [seen for line in lines if (seen := seeing.line_seen(line, role, ids, messages)) is not None]


def lists_for(request: web.Request, workflow: Workflow) -> dict[str, ListSpec]:
    """The order's lists that the caller sees: parties only those that they may change."""
    viewer = viewer_of(request)
    return {n: spec for n, spec in workflow.lists.items() if viewer is None or viewer.role in spec.roles}


def listed_seen(o: ListedOrder, workflow: Workflow | None, viewer: Viewer) -> ListedOrder:
    """An order in a list, as the viewer sees it."""
    shown = seeing.attributes_of(workflow, viewer.role) if workflow else frozenset[str]()
    own = o.assignee if o.assignee in viewer.scope.ids_of(viewer.role) else ""
    return structs.replace(o, assignee=own, shown={n: v for n, v in o.shown.items() if n in shown})


def actor_of(request: web.Request, order: Order | None) -> JsonObject:
    """The event's actor: a caller who belongs to a party acts as that party, by its id."""
    caller, viewer = request[CALLER], viewer_of(request)
    name = {"name": caller.name, "role": caller.role}
    if viewer is None:
        return {"id": name_of(caller), **name}
    ids = (order and seeing.own_ids(order, viewer.role, viewer.scope)) or viewer.scope.ids_of(viewer.role)
    return {"id": min(ids), **name}


def with_own(recipients: object, viewer: Viewer) -> JsonObject:
    """The recipients of a new order, with the party that creates it: else it could not see its own order."""
    known: JsonObject = msgspec.to_builtins(recipients) if recipients else {}
    ids, given = sorted(viewer.scope.ids_of(viewer.role)), known.get(viewer.role)
    people = given if isinstance(given, list) and given else [given or {}]
    if len(ids) > 1 or any(p.get("id") for p in people):
        return known
    return {**known, viewer.role: [{**people[0], "id": ids[0]}, *people[1:]]}


def _person(p: P, audience: str, rules: PartyRules, ids: Collection[str], role: str) -> P:
    if seeing.is_own(Party(audience, p.id), role, ids):
        return p
    fields = seeing.fields_seen(rules, audience)
    own: dict[str, Any] = {"audience": audience, "opted_out": []} if isinstance(p, PersonShown) else {}
    blank = type(p)(**own)
    name = p.name if "name" in fields or not p.name else seeing.MASKED
    return structs.replace(blank, name=name, **{f: getattr(p, f) for f in fields if f != "name"})


def _assignee(
    a: Assignee | None, is_shown: bool, rules: PartyRules, ids: Collection[str], role: str
) -> Assignee | None:
    """The assignee as the viewer sees them; shown from the same status on as to staff."""
    if a is None or (a.role == role and a.id in ids):
        return structs.replace(a, former=()) if a else None
    if not is_shown:
        return None
    fields = seeing.fields_seen(rules, a.role) | seeing.fields_seen(rules, ASSIGNEE)
    name = a.name if "name" in fields or not a.name else seeing.MASKED
    return structs.replace(Assignee(a.role, "", name), **{f: getattr(a, f) for f in fields if f != "name"})


def _addresses(order: Order, workflow: Workflow, role: str, ids: Collection[str]) -> frozenset[str]:
    """The addresses that the party ever had in this order."""
    mine = [p for p in order.recipients.get(role, ()) if p.id in ids]
    a = order.assignee
    if a is not None and a.role == role and a.id in ids:
        mine.append(as_person(a))
    reached = {x for p in mine for c in workflow.channels.values() for x in c.addresses(p)}
    return frozenset(reached | {x for p in mine for x in p.former})


def _is_told(m: MessageShown, addresses: Collection[str], viewer: Viewer) -> bool:
    return m.audience in (viewer.role, ASSIGNEE) and m.address in addresses

"""A person's data in recorded events, as received."""

from collections.abc import Iterable, Iterator, Sequence, Set
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct, structs
from sqlalchemy import select

from service.domain.erasure import Traces
from service.domain.events import AssigneeGiven, Event, EventData, PersonGiven
from service.domain.json_object import JsonObject
from service.domain.order import Order
from service.domain.people import as_list
from service.domain.recorded import decoded_event, places_given
from service.domain.workflow import Workflow
from service.keyring import Keyring
from service.ledger.database.engine import padded
from service.ledger.database.transaction import Transaction
from service.ledger.orders.tables import INBOX_EVENT, inbox


class PersonEvent(Struct):
    """A person's data in one event. `roles`: their parts in the order, with their addresses."""

    workflow: str
    order_id: str
    at: datetime
    type: str
    roles: list[JsonObject]
    attributes: JsonObject
    note: str


async def events_of(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, list[Any]]:
    """The stored events of these orders, sealed, oldest first."""
    query = select(inbox.c.order_id, inbox.c.key, inbox.c.sealed_event).where(
        inbox.c.order_id.in_(padded(ids)), inbox.c.sealed_event.is_not(None)
    )
    found: dict[UUID, list[Any]] = {}
    for row in await tx.execute(query.order_by(inbox.c.timeline_n)):
        found.setdefault(row.order_id, []).append(row)
    return found


def data_in_events(
    keyring: Keyring, rows: Iterable[Any], order: Order, workflow: Workflow, traces: Traces
) -> list[PersonEvent]:
    """The person's data in these events of the order."""
    personal = {n for n, a in workflow.attributes.items() if a.personal}
    found = []
    for row in rows:
        cause = decoded_event(keyring.unseal(row.sealed_event, INBOX_EVENT.of(row.key)), order.reference)
        if theirs := data_in_event(cause.event, personal, traces):
            found.append(theirs)
    return found


def data_in_event(event: Event, personal: Set[str], traces: Traces) -> PersonEvent | None:
    """The person's data in one event; None if there is none. `personal`: the names of personal attributes."""
    data = event.data
    attributes = data.attributes if data.attributes is not UNSET else {}
    theirs = {n: v for n, v in attributes.items() if n in personal or traces.named_in(v)}
    note = data.note.text if data.note and (data.note.public or traces.named_in(data.note.text)) else ""
    roles = list(_roles(data, traces))
    if not (roles or theirs or note):
        return None
    return PersonEvent(data.workflow, event.reference, event.time, event.type, roles, theirs, note)


def _roles(data: EventData, traces: Traces) -> Iterator[JsonObject]:
    for audience, people in (data.recipients or {}).items():
        for one in as_list(people):
            if not traces.addresses.isdisjoint(places_given(one)):
                yield _plain(audience, one)
    if data.assignee and not traces.addresses.isdisjoint(places_given(data.assignee)):
        yield _plain("assignee", data.assignee)


def _plain(audience: str, person: PersonGiven | AssigneeGiven) -> JsonObject:
    given = {f: v for f, v in structs.asdict(person).items() if v is not UNSET}
    plain: JsonObject = msgspec.to_builtins({"audience": audience, **given})
    return plain

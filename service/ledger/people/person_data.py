"""A person's data for the person (GDPR, article 15): their own part of orders, nothing about others."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msgspec import Struct, structs
from sqlalchemy import select

from service.canonical import canonical_order
from service.domain.erasure import Traces, addresses_of, slots_of, traces_of
from service.domain.events import Appointment, Payment, Price
from service.domain.json_object import JsonObject
from service.domain.order import Order, OrderRef
from service.domain.persons import Person
from service.domain.scopes import EVERYTHING
from service.domain.workflow import Workflow
from service.ledger.attachments.storing import StoredFile, files_of_orders
from service.ledger.conversations.reading import messages_from
from service.ledger.database.engine import padded
from service.ledger.database.transaction import Transaction
from service.ledger.escalations.schedules import listed
from service.ledger.lists.reading import rows_of_person
from service.ledger.messages.suppressions import suppressed
from service.ledger.messages.tables import messages
from service.ledger.orders.locking import find_all, find_by_id
from service.ledger.orders.read_models import MessageShown
from service.ledger.orders.records import message_of
from service.ledger.orders.views import message_view
from service.ledger.people.erasing import sent_to_of
from service.ledger.people.recorded_of_person import PersonEvent, data_in_events, events_of
from service.pacing import breathe

AT_ONCE: Final = 50


class PersonRole(Person, frozen=True, kw_only=True):
    """The person's part in an order. `role`: if they are the assignee; `former`: earlier addresses."""

    audience: str
    role: str = ""


class OptOut(Struct, frozen=True):
    """A suppressed address on a channel."""

    channel: str
    address: str
    since: datetime
    why: str


class Preferences(Struct, frozen=True):
    """The person's preferences in an order. `channels`: None means all; `muted`: notices that they do not want."""

    workflow: str
    order_id: str
    channels: Sequence[str] | None
    muted: Sequence[str]
    locale: str | None
    timezone: str | None


class ReportWanted(Struct, frozen=True):
    """A report subscription of one of their addresses."""

    workflow: str
    report: str
    every: str


class PersonOrder(Struct):
    """One order, as far as it concerns the person. `roles`: their parts in it, with their addresses there."""

    workflow: str
    order_id: str
    status: str
    stage: str
    created: datetime
    updated: datetime
    roles: list[PersonRole]
    eta: datetime | None
    appointment: Appointment | None
    price: Price | None
    payment: Payment | None
    attributes: JsonObject
    note: str


class PersonMessage(Struct):
    """One message to the person; codes are masked."""

    workflow: str
    order_id: str
    notice: str
    channel: str
    address: str
    state: str
    created: datetime
    sent: datetime | None
    provider: str
    title: str
    text: str


class PersonWords(Struct):
    """A message from the person. `reply`: the workflow's reply that it matched; null: an agent had to read it."""

    at: datetime
    channel: str
    text: str
    reply: str | None


class PersonRow(Struct):
    """A row of an order's list with one of their addresses."""

    workflow: str
    order_id: str
    list: str
    added: datetime
    values: JsonObject


class PersonFile(Struct):
    """A file of a public note on one of their orders."""

    workflow: str
    order_id: str
    name: str
    type: str
    size: int
    at: datetime


class PersonData(Struct):
    """All data about a person. `recipients`: to whom we gave their data. `kept_for`: for how long we store it.

    `events`: their data in publishers' events, as long as those are stored.
    """

    addresses: list[str]
    names: list[str]
    orders: list[PersonOrder]
    messages: list[PersonMessage]
    events: list[PersonEvent]
    words: list[PersonWords]
    rows: list[PersonRow]
    files: list[PersonFile]
    opt_outs: list[OptOut]
    preferences: list[Preferences]
    subscriptions: list[ReportWanted]
    recipients: list[str]
    kept_for: str


class SealedRows(Struct, frozen=True):
    """Further rows of an order, sealed."""

    messages: list[Any]
    events: list[Any]
    files: list[StoredFile]


class PersonDataBuilder:
    """Collects a person's data, order by order."""

    def __init__(self, known_as: Sequence[str]) -> None:
        self._known_as = known_as
        self.traces = Traces(frozenset(known_as[-1:]))
        self.orders: list[PersonOrder] = []
        self.messages: list[PersonMessage] = []
        self.preferences: list[Preferences] = []
        self.events: list[PersonEvent] = []
        self.files: list[PersonFile] = []

    async def add(self, tx: Transaction, names: Sequence[OrderRef], workflows: Mapping[str, Workflow]) -> None:
        """Add the person's part of these orders."""
        for begin in range(0, len(names), AT_ONCE):
            some = await find_all(tx, names[begin : begin + AT_ONCE], scope=EVERYTHING)
            ids = [order.id for order in some]
            query = select(messages).where(messages.c.order_id.in_(padded(ids))).order_by(messages.c.id)
            rows: dict[UUID, list[Any]] = {}
            for row in await tx.execute(query):
                rows.setdefault(row.order_id, []).append(row)
            events, files = await events_of(tx, ids), await files_of_orders(tx, ids)
            for o in some:
                await breathe()
                beside = SealedRows(rows.get(o.id, []), events.get(o.id, []), [f for of, f in files if of == o.id])
                self._add(tx, o, workflows[o.workflow], beside)

    def _add(self, tx: Transaction, found: Order, workflow: Workflow, beside: SealedRows) -> None:
        order, rows = canonical_order(found, workflow.region), beside.messages
        sent_to = {row.id: sent_to_of(message_of(tx.keyring, row), workflow.region) for row in rows}
        traces = traces_of(order, list(sent_to.values()), self._known_as)
        slots = slots_of(list(sent_to.values()), traces)
        self.traces = self.traces.united(traces)
        self.orders.append(_order(order, workflow, traces))
        self.preferences += _preferences(order, traces)
        self.events += data_in_events(tx.keyring, beside.events, order, workflow, traces)
        self.files += [
            PersonFile(order.workflow, order.reference, f.name, f.type, f.size, f.stored)
            for f in beside.files
            if f.public
        ]
        self.messages += [
            _message(order, message_view(tx.keyring, row))
            for row in rows
            if (sent_to[row.id].notice, sent_to[row.id].audience, sent_to[row.id].person) in slots
        ]


def _order(order: Order, workflow: Workflow, traces: Traces) -> PersonOrder:
    roles = [
        PersonRole(audience=audience, **structs.asdict(p))
        for audience, people in order.recipients.items()
        for p in people
        if not traces.addresses.isdisjoint(addresses_of(p))
    ]
    if order.assignee and not traces.addresses.isdisjoint(addresses_of(order.assignee)):
        roles.append(PersonRole(audience="assignee", **structs.asdict(order.assignee)))
    personal = {n for n, a in workflow.attributes.items() if a.personal}
    attributes = {n: v for n, v in order.attributes.items() if n in personal or traces.named_in(v)}
    note = order.note.text if order.note and (order.note.public or traces.named_in(order.note.text)) else ""
    stage = workflow.stages.get(order.stage)
    return PersonOrder(
        workflow=order.workflow,
        order_id=order.reference,
        status=order.status,
        stage=stage.titles.get(workflow.default_locale, order.stage) if stage else order.stage,
        created=order.created,
        updated=order.updated,
        roles=roles,
        eta=order.eta,
        appointment=order.appointment,
        price=order.price,
        payment=order.payment,
        attributes=attributes,
        note=note,
    )


def _preferences(order: Order, traces: Traces) -> list[Preferences]:
    """The person's preferences in this order, if there are any."""
    return [
        Preferences(
            workflow=order.workflow,
            order_id=order.reference,
            channels=p.channels,
            muted=p.muted,
            locale=p.locale,
            timezone=p.timezone,
        )
        for people in order.recipients.values()
        for p in people
        if not traces.addresses.isdisjoint(addresses_of(p)) and (p.channels is not None or p.muted or p.locale)
    ]


def _message(order: Order, m: MessageShown) -> PersonMessage:
    kept = {f: getattr(m, f) for f in PersonMessage.__struct_fields__ if hasattr(m, f)}
    return PersonMessage(workflow=order.workflow, order_id=order.reference, **kept)


async def _rows(tx: Transaction, addresses: Sequence[str]) -> list[PersonRow]:
    found = await rows_of_person(tx, addresses)
    names = {order_id: await find_by_id(tx, order_id, scope=EVERYTHING) for order_id in {r.order_id for r in found}}
    return [
        PersonRow(order.workflow, order.reference, r.list, r.added, r.values)
        for r in found
        if (order := names[r.order_id]) is not None
    ]


async def finish(tx: Transaction, found: PersonDataBuilder, kept_for: str) -> PersonData:
    """Complete with the person's data outside of orders."""
    addresses = sorted(found.traces.addresses)
    opted = await suppressed(tx, addresses)
    reports = await listed(tx)
    used = {m.provider for m in found.messages if m.provider}
    return PersonData(
        addresses=addresses,
        names=sorted(found.traces.names),
        orders=found.orders,
        messages=found.messages,
        words=[PersonWords(s.at, s.channel, s.text, s.reply) for s in await messages_from(tx, addresses)],
        rows=await _rows(tx, addresses),
        files=found.files,
        events=found.events,
        opt_outs=[OptOut(s.channel, s.address, s.at, s.why) for s in opted],
        preferences=found.preferences,
        subscriptions=[
            ReportWanted(s.workflow, s.name, s.schedule.every)
            for s in reports
            if s.target.get("email", "").lower() in found.traces.addresses
        ],
        recipients=sorted(used),
        kept_for=kept_for,
    )

"""Orders, messages, clocks and escalations as the API, the desk and `stagebell explain` show them.

Times are UTC. Names are the API's; its OpenAPI document is generated from these types.
"""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from service.domain.events import Appointment, Payment, Price
from service.domain.json_object import JsonObject
from service.domain.persons import Assignee, Person
from service.ledger.messages.suppressions import Suppressed
from service.ledger.orders.records import StateChange


class PersonShown(Person, frozen=True, kw_only=True):
    """A recipient. `opted_out`: the channels on which they opted out."""

    audience: str
    opted_out: list[str]


class MessageShown(Struct, frozen=True):
    """One message to one person.

    `name`, `address`: the recipient's. `provider_id`: the provider's id of it; `error_code`, `error`: the last error,
    the provider's or ours. `rung`: its step of the notice's ladder, from 1; 0: no ladder. `valid_until`: when it
    expires. `title`, `text`, `html`: its exact text, codes masked.
    """

    id: str
    notice: str
    channel: str
    audience: str
    name: str
    address: str
    locale: str
    state: str
    attempts: int
    provider: str
    provider_id: str
    error_code: str
    error: str
    created: datetime
    sent: datetime | None
    valid_until: datetime | None
    title: str
    text: str
    html: str
    history: list[StateChange]
    rung: int


class MessageOfOrder(MessageShown, frozen=True, kw_only=True):
    """A message with its order."""

    order_id: str
    workflow: str


class ClockShown(Struct, frozen=True):
    """A clock. `warns`, `due`: times of warning and breach. `why`: why it stopped; `noticed_late_s`: in seconds."""

    name: str
    kind: str
    notice: str
    team: str
    started: datetime
    warns: datetime | None
    due: datetime
    state: str
    stopped: datetime | None
    why: str
    noticed_late_s: float | None


class Comment(Struct, frozen=True):
    """A comment for whoever looks at the escalation next."""

    text: str
    by: str
    at: datetime


class CallShown(Struct, frozen=True):
    """A call to a team by an escalation or an incident. `owner`: empty if nobody owns it."""

    id: str
    workflow: str
    order_id: str
    team: str
    reason: str
    severity: str
    state: str
    level: int
    opened: datetime
    snoozed_until: datetime | None
    detail: str
    owner: str


class EscalationShown(CallShown, frozen=True):
    """An escalation. `causes`: the number of clocks and reports that raised it; `by`: who acted on it last.

    `incident_id`: the incident that it belongs to, if any. `late_s`: seconds since the clock's breach, up to the
    escalation's end; null if no clock raised it.
    """

    causes: int
    due: datetime | None
    changed: datetime | None
    incident_id: str | None
    by: str
    owned_since: datetime | None
    comment: Comment | None
    late_s: float | None


class EscalationLine(EscalationShown, frozen=True, kw_only=True):
    """An escalation in a list, with the names of its order's customer and assignee; empty if unknown."""

    customer: str
    assignee: str


class IncidentShown(CallShown, frozen=True):
    """Many escalations as one, or a provider's refusal. `order_id`: the first order's; `open_orders`: their number."""

    open_orders: int
    provider: str
    changed: datetime
    incident: Literal[True] = True


class NearBreach(Struct, frozen=True):
    """A running clock that calls `team` at `due`. `warned`: its warning has been sent."""

    id: str
    workflow: str
    order_id: str
    clock: str
    team: str
    started: datetime
    due: datetime
    warned: bool


class OrderNamed(Struct, frozen=True):
    """An order's reference."""

    workflow: str
    order_id: str


class PartShown(OrderNamed, frozen=True, kw_only=True):
    """A part of an order, in its status since `since`."""

    status: str
    stage: str
    stage_title: str
    final: bool
    failed: bool
    since: datetime
    eta: datetime | None


class OrderSummary(Struct, frozen=True):
    """An order in lists. `overdue`: one of its clocks has breached, or is past its due time."""

    workflow: str
    order_id: str
    status: str
    stage: str
    final: bool
    assignee: str
    status_since: datetime
    created: datetime
    updated: datetime
    due: datetime | None
    expected_end: datetime | None
    overdue: bool


class OrderShown(Struct, frozen=True):
    """One order with its history. `pack`: the version of its workflow.

    `recipients`: by audience; `people`: the same persons with their opt-outs. `assignee`: only in statuses in which
    it may be shown. `timeline`: the order's lines and the state changes of its messages, by time; fields other than
    `at` and `kind` depend on the kind. `parent`: the whole that it is a part of; `parts`: its own parts.
    """

    workflow: str
    order_id: str
    status: str
    stage: str
    stage_title: str
    final: bool
    created: datetime
    updated: datetime
    status_since: datetime
    pack: str
    recipients: dict[str, tuple[Person, ...]]
    people: list[PersonShown]
    assignee: Assignee | None
    eta: datetime | None
    appointment: Appointment | None
    price: Price | None
    payment: Payment | None
    brand: str
    attributes: JsonObject
    messages: list[MessageShown]
    timeline: list[JsonObject]
    clocks: list[ClockShown]
    escalations: list[EscalationShown]
    suppressions: list[Suppressed]
    parent: OrderNamed | None
    parts: list[PartShown]

"""What is shown of orders, messages, clocks and escalations: by the API, the desk and `stagebell explain` alike.

Times are UTC. Names are the API's, so that these types are also what its document says.
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

    `name`, `address`: whose it is. `provider_id`: what the provider calls it; `error_code`, `error`: what it, or we,
    said last. `rung`: which step of its notice's ladder it is, from 1; 0: of none. `valid_until`: when it is of no use
    any more. `title`, `text`, `html`: its exact words, codes masked.
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
    """A message with the order that it is about."""

    order_id: str
    workflow: str


class ClockShown(Struct, frozen=True):
    """A promise. `warns`, `due`: when it warns and when it breaks. `why`: it stopped; `noticed_late_s`: seconds."""

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
    """A note for the next person who looks."""

    text: str
    by: str
    at: datetime


class CallShown(Struct, frozen=True):
    """A call of a team, by an escalation or an incident. `owner`: who has it, empty if nobody."""

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
    """An escalation. `causes`: how many clocks and reports called; `by`: who acted on it last.

    `incident_id`: the incident that stands for it, if there is one. `late_s`: seconds since the clock's breach, up to
    the escalation's end; null where no clock raised it.
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
    """An escalation in a list, with whom its order is for and who handles it: names, empty where none is known."""

    customer: str
    assignee: str


class IncidentShown(CallShown, frozen=True):
    """Many escalations as one, or a provider's refusal. `order_id`: the first order; `open_orders`: how many."""

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
    """An order by its name."""

    workflow: str
    order_id: str


class PartShown(OrderNamed, frozen=True, kw_only=True):
    """A part of an order, where it stands `since` then."""

    status: str
    stage: str
    stage_title: str
    final: bool
    failed: bool
    since: datetime
    eta: datetime | None


class OrderSummary(Struct, frozen=True):
    """An order in lists. `overdue`: a clock about it has breached, or its due time is past."""

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
    """One order with all that happened to it. `pack`: the version of its workflow that it lives by.

    `recipients`: by audience; `people`: the same persons with their opt-outs. `assignee`: from the status on in which
    people may know. `timeline`: the order's lines and each change of its messages, by time; what stands in a line
    besides `at` and `kind` depends on its kind. `parent`: the order that it is a part of; `parts`: its own parts.
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

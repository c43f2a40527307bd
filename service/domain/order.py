"""An order as Stagebell knows it: its status, people, data, running clocks and open escalations.

`decide` reads this whole record and returns the next one. Ids of everything that belongs to an order are
the order's id plus a sequence number, so a pure function can name new things and the same cause names
them the same way again. Times are UTC.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from msgspec import UNSET, Struct, structs

from service.domain.attributes import moment_of
from service.domain.conversation import ConversationState
from service.domain.events import Appointment, Data, Note, Payment, Price
from service.domain.lists import ListState
from service.domain.parts import OrderRef as OrderRef  # noqa: PLC0414 - others have it from here
from service.domain.parts import Part, value_of
from service.domain.people import filled_people, merged_assignee, merged_people
from service.domain.persons import Assignee, Person, as_person
from service.domain.rungs import Climb

SEQUENCE_BITS: Final = 16
MAX_SEQUENCE: Final = (1 << SEQUENCE_BITS) - 1

# The audience of the assignee, whatever their role.
ASSIGNEE: Final = "assignee"
# Whom an order is for, as events call them; packs name whom else it concerns.
CUSTOMER: Final = "customer"

ClockState = Literal["running", "paused", "breached", "met", "cancelled"]
EscalationState = Literal["open", "acknowledged", "snoozed", "resolved"]


class Clock(Struct, frozen=True, gc=False):
    """A running clock. `due` is the absolute breach time (UTC); while paused, `left_s` seconds remain.

    `told`: the notice that a follow-up led to, while it can still be called off. `climb`: the clock is the next rung
    of a ladder, and no promise.
    """

    id: UUID
    spec: str
    started: datetime
    due: datetime
    warn: datetime | None = None
    state: ClockState = "running"
    notice_id: UUID | None = None
    basis: datetime | None = None
    warned: bool = False
    left_s: float = 0.0
    stopped: datetime | None = None
    why: str = ""
    noticed_late_s: float = 0.0
    told: UUID | None = None
    climb: Climb | None = None


class Escalation(Struct, frozen=True):
    """An escalation that is not resolved. `clocks`: those that raised it.

    `by`: who acted on it last; `owner`: since `owned_since`; empty while it has none.
    `detail`: why it was opened, or, once it is resolved, why that was; then `opened_with` says the former.
    `acknowledged`: when it first was. Levels count from `called_since` where it was reopened or its owner removed.
    """

    id: UUID
    team: str
    reason: str
    severity: str
    opened: datetime
    state: EscalationState = "open"
    level: int = 0
    causes: int = 1
    clocks: tuple[UUID, ...] = ()
    due: datetime | None = None
    breached: datetime | None = None
    next_level: datetime | None = None
    next_reminder: datetime | None = None
    snoozed_until: datetime | None = None
    detail: str = ""
    by: str = ""
    changed: datetime | None = None
    changes: int = 0
    owner: str = ""
    owned_since: datetime | None = None
    called_since: datetime | None = None
    acknowledged: datetime | None = None
    comment: str = ""
    commented_by: str = ""
    commented_at: datetime | None = None
    opened_with: str = ""


class Order(Struct, frozen=True, omit_defaults=True, rename={"notified": "told", "reference": "order_id"}):
    """The state that `decide` works on.

    `event_time` is the time of the newest status event applied; `data_times` says for each part of the data when the
    event happened that gave it. `busy_until`: when all its messages would be out, were they sent one after the other.
    `entered`: how often each status was. `told_values`: by notice, what it told last of values whose change counts;
    `told_at`: when it was told, of those that are not told too often. `parent`: the whole that it is a part of;
    `parts`: where its own parts stand.
    """

    id: UUID
    workflow: str
    reference: str
    version: str
    status: str
    stage: str
    created: datetime
    updated: datetime
    event_time: datetime
    status_since: datetime
    stage_since: datetime
    sequence: int = 0
    entries: int = 0
    recipients: Mapping[str, tuple[Person, ...]] = {}
    assignee: Assignee | None = None
    eta: datetime | None = None
    appointment: Appointment | None = None
    price: Price | None = None
    payment: Payment | None = None
    attributes: Mapping[str, Any] = {}
    note: Note | None = None
    notified: tuple[str, ...] = ()
    links: int = 0
    data_times: Mapping[str, datetime] = {}
    previous_assignee: str = ""
    clocks: Mapping[str, Clock] = {}
    escalations: Mapping[str, Escalation] = {}
    busy_until: datetime | None = None
    entered: Mapping[str, int] = {}
    told_values: Mapping[str, Mapping[str, Any]] = {}
    told_at: Mapping[str, tuple[datetime, ...]] = {}
    conversation: ConversationState | None = None
    brand: str = ""
    lists: Mapping[str, ListState] = {}
    parent: OrderRef | None = None
    parts: tuple[Part, ...] = ()

    @property
    def ref(self) -> OrderRef:
        """Its reference: workflow and the publisher's id."""
        return OrderRef(self.workflow, self.reference)

    @property
    def visits(self) -> int:
        """How often its status was entered, this time included."""
        return self.entered.get(self.status, 0)

    def child(self, sequence: int) -> UUID:
        """The id of this order's `sequence`-th notice, message, clock or escalation."""
        return UUID(int=self.id.int + sequence)

    def people(self, audience: str) -> tuple[Person, ...]:
        """Everybody in `audience`; the assignee belongs to the audiences of their role and `assignee`."""
        listed = self.recipients.get(audience, ())
        if listed or self.assignee is None or audience not in (self.assignee.role, ASSIGNEE):
            return listed
        return (as_person(self.assignee),)

    @property
    def customer(self) -> Person | None:
        """Whom it is for: the audience of that name before all others; of these the first that has a name."""
        people = [*self.recipients.get(CUSTOMER, ()), *(p for ps in self.recipients.values() for p in ps)]
        return next((p for p in people if p.name), people[0] if people else None)

    def value(self, path: str) -> Any:
        """A value of the order by its dotted path, such as `eta`, `appointment.start`, `attributes.x.y`."""
        if path.startswith("parts."):
            return value_of(self.parts, path.removeprefix("parts."))
        value: Any = self
        for step in path.split("."):
            value = value.get(step) if isinstance(value, Mapping) else getattr(value, step, None)
        return value

    def date(self, path: str, timezone: str, *, start_of_day: bool = False) -> datetime | None:
        """A date of the order by its dotted path, as a UTC moment; a day without a time means its end, or its start."""
        return moment_of(self.value(path), timezone, start_of_day=start_of_day)


def order_uuid(raw: UUID) -> UUID:
    """An order's id: time-ordered, with the low bits free for the ids of its children."""
    return UUID(int=raw.int >> SEQUENCE_BITS << SEQUENCE_BITS)


DATA_FIELDS: Final = ("recipients", "assignee", "eta", "appointment", "price", "payment", "attributes", "brand")
# The fields that are replaced as a whole by an event.
_PLAIN: Final = ("eta", "appointment", "price", "payment")


def updated(order: Order, data: Data, at: datetime) -> tuple[Order, bool]:
    """The order with the data of an event that happened `at` (UTC), and whether any of it was new.

    Events of several systems overtake each other: an earlier event does not override the data of a later one, it
    only fills gaps.
    """
    carried = [f for f in DATA_FIELDS if getattr(data, f) is not UNSET]
    old = {f: UNSET for f in carried if at < order.data_times.get(f, at)}
    new = [f for f in carried if f not in old]
    if old:
        order = filled(order, structs.replace(data, **dict.fromkeys(new, UNSET)))
    if new:
        order = merged(order, structs.replace(data, **old) if old else data)
        order = structs.replace(order, data_times={**order.data_times, **dict.fromkeys(new, at)})
    return order, bool(new) or not old


def merged(order: Order, data: Data) -> Order:
    """The order with the event's data; fields that it leaves out keep their values."""
    changes = {f: value for f in _PLAIN if (value := getattr(data, f)) is not UNSET}
    if data.assignee is not UNSET:
        changes["assignee"] = merged_assignee(order.assignee, data.assignee)
    if data.recipients is not UNSET:
        changes["recipients"] = merged_people(order.recipients, data.recipients)
    if data.attributes is not UNSET:
        changes["attributes"] = {**order.attributes, **data.attributes}
    if data.brand is not UNSET:
        changes["brand"] = data.brand or ""
    return structs.replace(order, **changes)


def role_of(order: Order, data: Data) -> str:
    """The actor's role: as the event says, else the assignee's if the actor is the assignee."""
    actor, assignee = data.actor, order.assignee
    if actor is None:
        return ""
    if actor.role or assignee is None:
        return actor.role
    return assignee.role if actor.id == assignee.id else ""


def filled(order: Order, data: Data) -> Order:
    """The order with only its gaps filled from the event's data, as late events do."""
    gaps = [f for f in _PLAIN if getattr(order, f) is None]
    changes = {f: value for f in gaps if (value := getattr(data, f)) not in (UNSET, None)}
    if data.assignee is not UNSET and order.assignee is None:
        changes["assignee"] = merged_assignee(None, data.assignee)
    if data.recipients is not UNSET:
        changes["recipients"] = filled_people(order.recipients, data.recipients)
    if data.attributes is not UNSET:
        changes["attributes"] = {**data.attributes, **order.attributes}
    if data.brand is not UNSET and not order.brand:
        changes["brand"] = data.brand or ""
    return structs.replace(order, **changes)

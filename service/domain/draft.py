"""A decision being made: the order as it will be, and everything that goes with it."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from math import isfinite
from typing import Any, Final, Literal, TypedDict, Unpack
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType, structs

from service.domain import turns
from service.domain.conditions.judging import Situation
from service.domain.conversation import ConversationState, ReceivedReply
from service.domain.errors import Rejection
from service.domain.events import Note, Payment
from service.domain.lists import ListState
from service.domain.notices import Message, PlannedNotice
from service.domain.order import MAX_SEQUENCE, Clock, Escalation, Order
from service.domain.parts import OrderRef, Part
from service.domain.persons import Assignee, Person
from service.domain.workflow import Workflow

EscalationChangeKind = Literal[
    "opened", "joined", "assigned", "acknowledged", "commented", "reminded", "raised", "snoozed", "resolved", "reopened"
]


# Values that a timeline line leaves out.
_NOTHING: Final[tuple[object, ...]] = (None, "", (), {})


class Entry(Struct, frozen=True, gc=False):
    """One line of the order's timeline. `at`: when it happened (UTC); `detail`: reasons and values, by name."""

    n: int
    at: datetime
    kind: str
    detail: Mapping[str, Any]


class EscalationChange(Struct, frozen=True):
    """A step in an escalation's life, with the escalation after it."""

    kind: EscalationChangeKind
    at: datetime
    escalation: Escalation


class Visit(Struct, frozen=True):
    """The order entered a status: the basis of times and rates, without personal data."""

    n: int
    status: str
    stage: str
    at: datetime


class ClockEvent(Struct, frozen=True):
    """What a clock publishes for the order system at its warning, or when it is due; `values` are plain JSON."""

    id: str
    type: str
    clock: str
    moment: Literal["warning", "due"]
    at: datetime
    due: datetime
    values: Mapping[str, Any]


class Decision(Struct, frozen=True):
    """The effect of a cause, committed as a whole or not at all.

    `called_off`: notices that became pointless, with the reasons; messages of theirs that wait are not sent.
    """

    order: Order
    outcome: Literal["accepted", "late"]
    entries: tuple[Entry, ...]
    notices: tuple[PlannedNotice, ...] = ()
    more_messages: tuple[Message, ...] = ()
    clocks: tuple[Clock, ...] = ()
    escalations: tuple[EscalationChange, ...] = ()
    visits: tuple[Visit, ...] = ()
    observations: Mapping[str, float] = {}
    replies: tuple[ReceivedReply, ...] = ()
    called_off: Mapping[UUID, str] = {}
    clock_events: tuple[ClockEvent, ...] = ()

    @property
    def changes_nothing(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.entries or self.notices or self.more_messages or self.clocks or self.escalations)


class OrderChanges(TypedDict, total=False):
    """The fields of an order that a decision may change."""

    version: str
    status: str
    stage: str
    updated: datetime
    event_time: datetime
    status_since: datetime
    sequence: int
    entries: int
    recipients: Mapping[str, tuple[Person, ...]]
    assignee: Assignee | None
    payment: Payment | None
    attributes: Mapping[str, Any]
    note: Note | None
    notified: tuple[str, ...]
    links: int
    previous_assignee: str
    clocks: Mapping[str, Clock]
    escalations: Mapping[str, Escalation]
    busy_until: datetime | None
    entered: Mapping[str, int]
    told_values: Mapping[str, Mapping[str, Any]]
    told_at: Mapping[str, tuple[datetime, ...]]
    conversation: ConversationState | None
    lists: Mapping[str, ListState]
    parent: OrderRef | None
    parts: tuple[Part, ...]


class Draft:
    """Collects a Decision. `now` is the moment of deciding, `at` the moment the cause counts from (UTC).

    `before`: the order before the event being decided, None for its first one; UNSET where there is no event.
    `whole_told`: the notices that the order's whole tells by the same event.
    """

    def __init__(self, order: Order, workflow: Workflow, now: datetime, at: datetime) -> None:
        self.order = order
        self.before: Order | None | UnsetType = UNSET
        self._pack = workflow
        # With the replacements of the order's brand.
        self.workflow = workflow.for_brand(order.brand)
        self.now = now
        self.at = at
        # Counted here and written with the decision: copying the order for each would be most of the work.
        self._sequence = order.sequence
        self._lines = order.entries
        self._busy_until = order.busy_until
        self._entries: list[Entry] = []
        self.notices: list[PlannedNotice] = []
        self.more_messages: list[Message] = []
        self.replies: list[ReceivedReply] = []
        self._clocks: dict[UUID, Clock] = {}
        # The clocks of `order`, copied once and not for each that changes.
        self._own_clocks: dict[str, Clock] | None = None
        self._escalations: list[EscalationChange] = []
        self._visits: list[Visit] = []
        self._observations: dict[str, float] = {}
        self._called_off: dict[UUID, str] = {}
        self.clock_events: list[ClockEvent] = []
        self.whole_told = frozenset[str]()

    def begin_event(self) -> Order:
        """Begin an event: keep the order as it is now in `before`, and return it."""
        self._own_clocks = None
        self.before = self.order
        return self.order

    def become(self, order: Order) -> None:
        """Take over the order as changed by an event, perhaps with another brand."""
        if order.brand != self.order.brand:
            self.workflow = self._pack.for_brand(order.brand)
        self.order = order

    def set(self, **changes: Unpack[OrderChanges]) -> None:
        """Change fields of the order."""
        self.order = structs.replace(self.order, **changes)

    def next_id(self) -> UUID:
        """A new id below the order's own; raises Rejection when the order has used them all."""
        self._sequence += 1
        if self._sequence > MAX_SEQUENCE:
            raise Rejection(f"the order has more than {MAX_SEQUENCE} messages and clocks, the most that are possible")
        return self.order.child(self._sequence)

    def next_turn(self) -> timedelta:
        """How far the order's next message queues behind those of other orders, so that a flood delays only itself."""
        behind = turns.behind_others(self._busy_until, self.now)
        self._busy_until = self.now + behind + turns.APART
        return behind

    def log(self, kind: str, at: datetime | None = None, **detail: Any) -> None:
        """Add a timeline line; empty details are left out."""
        self._lines += 1
        kept = {k: v for k, v in detail.items() if v or v not in _NOTHING}
        self._entries.append(Entry(self._lines, at or self.at, kind, kept))

    def situation(self, notice: str = "") -> Situation:
        """The data that conditions are evaluated on; `notice`: the one to be told."""
        told_values = self.order.told_values.get(notice, {})
        return Situation(self.order, self.now, self.workflow.timezone, self.before, told_values)

    def visit(self) -> None:
        """Record that the order has entered its status."""
        status = self.order.status
        self.set(entered={**self.order.entered, status: self.order.entered.get(status, 0) + 1})
        self._visits.append(Visit(self._lines, self.order.status, self.order.stage, self.at))

    def observe(self, before: Order | None) -> None:
        """Record the numbers that the pack measures, where they are new."""
        for measure in self.workflow.measures.values():
            if measure.kind != "average":
                continue
            value = self.order.value(measure.path)
            if value is None or (before is not None and before.value(measure.path) == value):
                continue
            with suppress(TypeError, ValueError, OverflowError):
                if isfinite(number := float(value)):
                    self._observations[measure.name] = number

    def put_clock(self, key: str, clock: Clock) -> None:
        """Start or change a clock of the order."""
        self._changing()[key] = clock
        self._clocks[clock.id] = clock

    def drop_clock(self, key: str, clock: Clock) -> None:
        """End a clock: write its last state, and remove it from the order."""
        self._changing().pop(key, None)
        self._clocks[clock.id] = clock

    def _changing(self) -> dict[str, Clock]:
        if self._own_clocks is None:
            self._own_clocks = {**self.order.clocks}
            self.set(clocks=self._own_clocks)
        return self._own_clocks

    def call_off(self, notice_id: UUID, why: str) -> None:
        """Send no more messages of this notice."""
        self._called_off[notice_id] = why

    def put_escalation(self, kind: EscalationChangeKind, at: datetime, escalation: Escalation) -> None:
        """Record a step of an escalation; a resolved one is removed from the order."""
        escalation = structs.replace(escalation, changed=at, changes=escalation.changes + 1)
        key = escalation_key(escalation.team, escalation.reason)
        others = {k: e for k, e in self.order.escalations.items() if k != key}
        if escalation.state != "resolved":
            others[key] = escalation
        self.set(escalations=others)
        self._escalations.append(EscalationChange(kind, at, escalation))

    def decision(self, outcome: Literal["accepted", "late"] = "accepted", *, is_activity: bool = True) -> Decision:
        """The decision with everything collected so far; `is_activity`: somebody, an event or a clock did something."""
        updated = self.now if is_activity else self.order.updated
        self.set(updated=updated, sequence=self._sequence, entries=self._lines, busy_until=self._busy_until)
        return Decision(
            order=self.order,
            outcome=outcome,
            entries=tuple(self._entries),
            notices=tuple(self.notices),
            more_messages=tuple(self.more_messages),
            clocks=tuple(self._clocks.values()),
            escalations=tuple(self._escalations),
            visits=tuple(self._visits),
            observations=self._observations,
            replies=tuple(self.replies),
            called_off=self._called_off,
            clock_events=tuple(self.clock_events),
        )


def escalation_key(team: str, reason: str) -> str:
    """One open escalation for one order, team and reason."""
    return f"{team}.{reason}"

"""What calls take and answer; the OpenAPI document is made from these types."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from service.domain.acting import Offer
from service.domain.causes import EscalationAct
from service.domain.events import Appointment, AssigneeGiven, EventWarning, Note, PersonGiven, Price
from service.domain.json_object import JsonObject
from service.ledger.auditing.reading import Line
from service.ledger.messages.suppressions import Suppressed
from service.ledger.orders.read_models import EscalationLine, IncidentShown, MessageOfOrder, OrderShown
from service.web.list_schemas import RowsOrder

Words = Annotated[str, Meta(max_length=2000)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Moment = Annotated[datetime, Meta(tz=True)]


class EventResult(Struct, omit_defaults=True):
    """What became of one event. `warnings`: what of it could not be used."""

    outcome: Literal["accepted", "duplicate", "rejected"]
    warnings: Sequence[EventWarning]
    id: str = ""
    source: str = ""
    order_id: str = ""
    late: bool = False
    reason: str = ""


class EventResults(Struct):
    """What became of the events, in their order."""

    results: list[EventResult]


class OrderLine(Struct):
    """An order in a list."""

    workflow: str
    order_id: str
    status: str
    stage: str
    stage_title: str
    final: bool
    assignee: str
    status_since: datetime
    created: datetime
    updated: datetime
    due: datetime | None
    expected_end: datetime | None
    overdue: bool
    open_escalations: int
    attributes: JsonObject = {}


class OrderPage(Struct, omit_defaults=True):
    """A page of orders; `cursor` leads to the next one and is empty at the end. `warnings`: why some may be missing."""

    orders: list[OrderLine]
    cursor: str
    warnings: list[str] = []


class AgentAnswer(Struct, frozen=True):
    """What an agent checks, does and says when a customer asks this."""

    question: str
    check: Sequence[str]
    do: Sequence[str]
    say: str


class Asked(Struct, frozen=True):
    """What an agent fills in for a notice. `default`: what stands there while they do not; without one it is required.

    `ahead`: a time that must lie ahead.
    """

    name: str
    title: str
    type: str
    ahead: bool
    required: bool
    default: Any


class ManualNotice(Struct, frozen=True):
    """A notice that may be sent now."""

    reason: str
    title: str
    channels: Sequence[str]
    asks: list[Asked]


class OrderDocument(OrderShown, frozen=True, kw_only=True):
    """Everything about one order, with what an agent may say, send and do. `version`: changes with the order."""

    answers: list[AgentAnswer]
    manual_notices: list[ManualNotice]
    version: int
    acts: list[Offer]


class Suppressions(Struct):
    """What is suppressed of an address."""

    suppressions: list[Suppressed]


class NoticeOrder(Struct, forbid_unknown_fields=True):
    """A manual notice: one of the workflow's manual reasons, over some of its channels (none: all).

    `inputs`: what the notice asks (`manual_notices` of the order says so), each by its name.
    """

    reason: Name
    channels: Annotated[list[Name], Meta(max_length=8)] = []
    inputs: Annotated[JsonObject, Meta(max_length=20)] = {}
    preview: bool = False


class NoticeMessage(Struct):
    """One message of a notice, with its exact text; `segments` for SMS, `remark`: what makes it dear.

    `rung`: of the notice's ladder, from 1; 0: it is on none. Of a later one, `due` is when it would go (UTC), `unless`
    how far one before it must have come that it does not (`sent`, `delivered`, `read`; empty: it goes anyway).
    """

    channel: str
    audience: str
    to: str
    state: str
    title: str
    text: str
    html: str
    segments: int
    why: str
    remark: str = ""
    rung: int = 0
    due: datetime | None = None
    unless: str = ""


class NoticeAnswer(Struct):
    """A preview, or what was planned."""

    preview: bool
    reason: str
    messages: list[NoticeMessage]


class MessagePage(Struct):
    """A page of messages, the newest first; `cursor` leads to the next one and is empty at the end."""

    messages: list[MessageOfOrder]
    cursor: str


class MessageFilter(Struct, forbid_unknown_fields=True):
    """Which messages, as `GET /v1/messages` filters them; one or several of each."""

    channel: str | list[str] = ""
    state: str | list[str] = ""
    notice: str | list[str] = ""
    cause: str | list[str] = ""
    workflow: str = ""
    recipient: str = ""
    country: str = ""
    since: Moment | None = field(default=None, name="from")
    until: Moment | None = field(default=None, name="to")


class ResendOrder(Struct, forbid_unknown_fields=True):
    """Tell these messages again, by `channel` or each by its own; `dry_run` counts alone. At most 5,000 at once.

    `per_minute`: how many may leave in one, so that readers' calls do not come all at once either.
    """

    filter: MessageFilter
    channel: str = ""
    dry_run: bool = False
    per_minute: Annotated[int, Meta(ge=1, le=100_000)] = 600


class ResendAnswer(Struct):
    """What was, or would be, told again. `excluded`: how many were left out, by why.

    `already_told`, `already_sent`, `may_have_arrived`, `still_waits`, `stale`, `code`, `money`, `opted_out`,
    `not_wanted`, `no_address`, `not_in_pack`, `gone`. `until`: when the last of them may leave.
    """

    dry_run: bool
    matched: int
    planned: int
    excluded: dict[str, int]
    orders: int
    until: datetime | None


class ResendOne(Struct, forbid_unknown_fields=True):
    """By which channel a message is told again; empty: its own."""

    channel: str = ""


class OrderFilter(Struct, forbid_unknown_fields=True):
    """Which orders, as `GET /v1/orders` filters them; `told`: those of which such messages were planned."""

    status: str = ""
    stage: str = ""
    assignee: str = ""
    overdue: bool | None = None
    open: bool | None = None
    told: MessageFilter | None = None


class BroadcastOrder(Struct, forbid_unknown_fields=True):
    """Tell the people of all these orders of a workflow one of its manual notices, each address once.

    `dry_run` counts alone. At most 5,000 orders at once; `per_minute`: how many of them may be told in one.
    """

    workflow: Name
    notice: Name
    filter: OrderFilter
    channels: Annotated[list[Name], Meta(max_length=8)] = []
    inputs: Annotated[JsonObject, Meta(max_length=20)] = {}
    dry_run: bool = False
    per_minute: Annotated[int, Meta(ge=1, le=100_000)] = 600


class BroadcastAnswer(Struct):
    """What was, or would be, told: of so many `orders`, `planned` of them, in `messages`.

    `excluded`: how many orders are left out, by why. `until`: when the last may be told.
    """

    dry_run: bool
    orders: int
    planned: int
    messages: int
    excluded: dict[str, int]
    until: datetime | None


class ActOrder(Struct, forbid_unknown_fields=True):
    """Something that the pack lets people do to an order (`acts` of the order says what, now).

    `version`: the order's, as it was when they looked: it is not done to an order that has changed since.
    """

    act: Name
    version: int | None = None
    status: Annotated[str, Meta(max_length=120)] = ""
    note: Note | UnsetType = UNSET
    assignee: AssigneeGiven | None | UnsetType = UNSET
    eta: Moment | None | UnsetType = UNSET
    appointment: Appointment | None | UnsetType = UNSET
    price: Price | None | UnsetType = UNSET
    attributes: JsonObject = {}
    recipients: dict[str, PersonGiven | list[PersonGiven] | None] | UnsetType = UNSET
    brand: Annotated[str, Meta(max_length=120)] | UnsetType = UNSET
    lists: dict[str, RowsOrder] = {}


class ActAnswer(Struct):
    """The order after it. `warnings`: what of it could not be used."""

    workflow: str
    order_id: str
    version: int
    status: str
    stage: str
    warnings: Sequence[EventWarning]


class HoldOrder(Struct, forbid_unknown_fields=True):
    """What to hold back: whatever is of this channel, this workflow and this notice; left out: of any."""

    channel: str = ""
    workflow: str = ""
    notice: str = ""
    why: Words = ""


class HoldLine(Struct):
    """Something that is held since `at`. `waiting`: how many messages wait because of it."""

    id: str
    channel: str
    workflow: str
    notice: str
    at: datetime
    by: str
    why: str
    waiting: int


class Holds(Struct):
    """All that is held, the oldest first."""

    holds: list[HoldLine]


class IssueReport(Struct, forbid_unknown_fields=True):
    """An issue: one of the workflow's reasons."""

    reason: Name
    detail: Words = ""


class Escalated(Struct):
    """The escalation that an issue opened or joined."""

    escalation_id: str
    team: str
    reason: str
    severity: str
    state: str


class EscalationPage(Struct):
    """Escalations, most urgent first; `incidents`, on the first page, stand for the many that they gather.

    `total`: of all pages. `cursor` leads to the next one and is empty at the end.
    """

    escalations: list[EscalationLine]
    incidents: list[IncidentShown]
    total: int
    cursor: str


class Remark(Struct, forbid_unknown_fields=True):
    """Words that go with an act."""

    comment: Words = ""


class Snooze(Struct, forbid_unknown_fields=True):
    """Quiet until a moment, or for so many minutes; at most 7 days."""

    until: Moment | None = None
    minutes: Annotated[int, Meta(ge=1, le=10_080)] | None = None
    comment: Words = ""


class Assignment(Struct, forbid_unknown_fields=True):
    """Who is to have it. `take_over`: although somebody else has it."""

    to: (
        Annotated[
            str, Meta(max_length=200, description="a name; left out: whoever asks; empty: nobody, so it calls again")
        ]
        | None
    ) = None
    take_over: bool = False
    comment: Words = ""


class BulkOrder(Struct, forbid_unknown_fields=True):
    """One act on many escalations or incidents; what each act takes is as of the act on one."""

    ids: Annotated[list[Name], Meta(min_length=1, max_length=200)]
    act: EscalationAct
    comment: Words = ""
    to: Annotated[str, Meta(max_length=200)] | None = None
    take_over: bool = False
    until: Moment | None = None
    minutes: Annotated[int, Meta(ge=1, le=10_080)] | None = None


class BulkResult(Struct, omit_defaults=True):
    """What became of one of them: its state now, or why nothing was done."""

    id: str
    state: str = ""
    problem: str = ""


class BulkResults(Struct):
    """What became of each, in the order asked."""

    results: list[BulkResult]


class Handled(Struct):
    """How many escalations were acted on, and their state now."""

    id: str
    state: str
    handled: int


class SubscriptionOrder(Struct, forbid_unknown_fields=True):
    """A report for an address: now, or every day, week or month at a local time.

    `day`: for `week` the weekday, where 0 is Monday and 6 Sunday; for `month` the day from 1, of which 31 is the last.
    """

    workflow: Name
    report: Name
    email: Annotated[str, Meta(min_length=3, max_length=320)]
    every: Literal["now", "day", "week", "month"] = "day"
    at: Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] | None = None
    timezone: Annotated[str, Meta(max_length=64)] = ""
    day: (
        Annotated[
            int,
            Meta(
                ge=0,
                le=31,
                description="every week: the weekday, 0 is Monday, 6 Sunday; every month: the day, 31 the last",
            ),
        ]
        | None
    ) = None


class SubscriptionLine(Struct):
    """A report that somebody gets."""

    id: str
    workflow: str
    report: str
    email: str
    every: str
    at: str
    timezone: str
    day: int
    next_at: datetime


class Subscriptions(Struct):
    """All of them."""

    subscriptions: list[SubscriptionLine]


class DeadLetterLine(Struct):
    """A refused message; `number` is its place in the queue, `key` is its own."""

    number: int
    key: str
    reason: str
    at: str
    type: str
    order_id: str
    routing_key: str


class DeadLetterPage(Struct):
    """The first dead letters."""

    dead_letters: list[DeadLetterLine]


class Count(Struct):
    """How many."""

    count: int


class LinkAnswer(Struct, omit_defaults=True):
    """An order's tracking page, and the page on which whoever handles it says how it goes, where the pack has one."""

    url: str
    assignee_url: str = ""


class TrackingStage(Struct):
    """A stage as the customer sees it."""

    name: str
    title: str
    state: Literal["done", "current", "next"]


class TrackingAssignee(Struct):
    """Who comes; the contact is masked."""

    name: str
    contact: str


class TrackingSupport(Struct):
    """Whom the customer may ask for help."""

    phone: str
    email: str
    hours: str


class TrackingReply(Struct):
    """What the customer may say now: `POST /t/{token}/replies/{reply}`."""

    reply: str
    title: str


class TrackingPart(Struct):
    """A part of the order, as the customer sees it. `late`: its ETA is past."""

    order_id: str
    stage: str
    stage_title: str
    eta: datetime | None
    late: bool
    final: bool
    failed: bool


class Tracking(Struct):
    """What a customer may see of an order, and nothing else. `late`: the ETA is past; `says`: what the status means."""

    workflow: str
    order_id: str
    brand: str
    stage: str
    stage_title: str
    next_stage: str | None
    stages: list[TrackingStage]
    eta: datetime | None
    appointment: Appointment | None
    assignee: TrackingAssignee | None
    final: bool
    failed: bool
    updated: datetime
    locale: str
    late: bool
    says: str
    support: TrackingSupport | None
    replies: list[TrackingReply]
    parts: list[TrackingPart]


class AuditPage(Struct):
    """Lines of the audit log, newest first. Names that were forgotten are "(erased)"."""

    lines: list[Line]
    cursor: str


class PersonOrderLine(Struct):
    """An order as its customer's app lists it; `link` is its tracking page."""

    workflow: str
    order_id: str
    status: str
    stage: str
    stage_title: str
    final: bool
    eta: datetime | None
    updated: datetime
    link: str


class PersonOrders(Struct):
    """A page of a person's orders, the newest first; `cursor` is empty at the end."""

    orders: list[PersonOrderLine]
    cursor: str


class ProblemDetails(Struct):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str = ""

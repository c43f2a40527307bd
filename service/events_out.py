"""Outgoing events: a Struct for the data of each, and the writer of their envelope (CloudEvents 1.0).

AsyncAPI and JSON Schema are made from these types. Ids are stable: the same step is published under the same id however
often. Times are UTC.
"""

from datetime import datetime
from typing import Final, Generic, Literal, TypeVar

from msgspec import UNSET, Struct, UnsetType

from service.domain.conversation import ReceivedReply
from service.domain.draft import ClockEvent, EscalationChange, EscalationChangeKind
from service.domain.json_object import JsonObject
from service.domain.notices import Message
from service.domain.order import Order

SOURCE: Final = "/stagebell"
EscalationStep = Literal["opened", "acknowledged", "reminded", "resolved"]
# Four types are published; a step that only adds to an open escalation is published as a reminder. Steps for which
# nobody is called are only in the live stream.
_STEPS: Final[dict[EscalationChangeKind, EscalationStep]] = {
    "opened": "opened",
    "acknowledged": "acknowledged",
    "reminded": "reminded",
    "raised": "reminded",
    "resolved": "resolved",
    "reopened": "opened",
}


class OrderOfIncident(Struct, frozen=True):
    """One order of an incident."""

    workflow: str
    order_id: str


class EscalationData(Struct, frozen=True, kw_only=True):
    """Data of `escalation.*`: which team is called, and why. `due` and `breached`: where a clock raised it.

    Of an incident, `order_id` is what it is about, and `orders` are those that are in it.
    """

    workflow: str
    order_id: str
    escalation_id: str
    team: str
    reason: str
    severity: str
    level: int
    state: str
    opened: datetime
    due: datetime | UnsetType = UNSET
    breached: datetime | None | UnsetType = UNSET
    incident: Literal[True] | UnsetType = UNSET
    open_orders: int | UnsetType = UNSET
    orders: list[OrderOfIncident] | UnsetType = UNSET
    provider: str | UnsetType = UNSET
    detail: str | UnsetType = UNSET


class TeamCall(EscalationData, frozen=True, kw_only=True):
    """What a team is called with: the escalation, and what people read and machines need not.

    The reason in words, the order's status, who did it, whom a level calls, why it ended.
    """

    title: str | UnsetType = UNSET
    status: str | UnsetType = UNSET
    by: str | UnsetType = UNSET
    to: str | UnsetType = UNSET
    why: str | UnsetType = UNSET


class MessageData(Struct, frozen=True, kw_only=True):
    """Data of `notification.*`: a message reached a state. Without its text and address.

    `rung`: which step of its notice's ladder it is, from 1; 0: of none. One that could not be, so that its reader was
    told by the next at once, is `suppressed` with the `error_code` `rung_skipped`.
    """

    workflow: str
    order_id: str
    notification_id: str
    notice: str
    channel: str
    audience: str
    state: str
    attempts: int
    provider: str
    provider_id: str
    error_code: str
    rung: int


class ReplyData(Struct, frozen=True, kw_only=True):
    """Data of `customer.replied`: a message from a person came in. Without its text.

    `reply`: what it means, by the workflow's name for it; null where a person has to read it. `channel`: `page` is the
    tracking page. `message_id`: of what came in.
    """

    workflow: str
    order_id: str
    reply: str | None
    channel: str
    message_id: str
    at: datetime


class ClockEventData(Struct, frozen=True, kw_only=True):
    """Data of an event that a clock publishes, under the pack's own type: values of the order at that moment.

    `moment`: whether the clock warned, or was due (at `due`). `values`: as the pack names them; null where the order
    has none.
    """

    workflow: str
    order_id: str
    clock: str
    moment: Literal["warning", "due"]
    due: datetime
    values: JsonObject


class DigestData(Struct, frozen=True, kw_only=True):
    """Data of `digest.team`: a team's open escalations, in words."""

    team: str
    title: str
    text: str
    severity: str = "low"


D = TypeVar("D", bound=Struct)


class CloudEvent(Struct, Generic[D], frozen=True, kw_only=True):
    """The envelope (CloudEvents 1.0.2, JSON format). `subject`: the order; `traceparent`: of its trace (W3C)."""

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str = SOURCE
    type: str
    subject: str | UnsetType = UNSET
    time: datetime
    datacontenttype: Literal["application/json"] = "application/json"
    data: D
    traceparent: str | UnsetType = UNSET


def is_published(kind: EscalationChangeKind) -> bool:
    """Whether such a step is published to teams and the exchange."""
    return kind in _STEPS


def of_escalation(order: Order, change: EscalationChange, traceparent: str = "") -> CloudEvent[EscalationData]:
    """The event of a step in an escalation's life."""
    step = _STEPS.get(change.kind, change.kind)
    e = change.escalation
    return CloudEvent(
        id=f"{e.id}.{e.changes}",
        type=f"escalation.{step}",
        subject=order.reference,
        time=change.at,
        traceparent=traceparent or UNSET,
        data=EscalationData(
            workflow=order.workflow,
            order_id=order.reference,
            escalation_id=str(e.id),
            team=e.team,
            reason=e.reason,
            severity=e.severity,
            level=e.level,
            state=e.state,
            opened=e.opened,
            due=e.due or UNSET,
            breached=e.breached if e.due else UNSET,
        ),
    )


def of_message(n: Message, workflow: str, order_id: str, at: datetime) -> CloudEvent[MessageData]:
    """The event of a message that reached a state."""
    return CloudEvent(
        id=f"{n.id}.{n.state}",
        type=f"notification.{n.state}",
        subject=order_id,
        time=at,
        data=MessageData(
            workflow=workflow,
            order_id=order_id,
            notification_id=str(n.id),
            notice=n.notice,
            channel=n.channel,
            audience=n.audience,
            state=n.state,
            attempts=n.attempts,
            provider=n.provider,
            provider_id=n.provider_id,
            error_code=n.error_code,
            rung=n.rung,
        ),
    )


def of_reply(reply: ReceivedReply, order: Order) -> CloudEvent[ReplyData]:
    """The event for a reply from somebody of the order."""
    return CloudEvent(
        id=str(reply.id),
        type="customer.replied",
        subject=order.reference,
        time=reply.at,
        data=ReplyData(
            workflow=order.workflow,
            order_id=order.reference,
            reply=reply.reply or None,
            channel=reply.channel,
            message_id=str(reply.id),
            at=reply.at,
        ),
    )


def of_clock(event: ClockEvent, order: Order) -> CloudEvent[ClockEventData]:
    """The event that a clock publishes."""
    return CloudEvent(
        id=event.id,
        type=event.type,
        subject=order.reference,
        time=event.at,
        data=ClockEventData(
            workflow=order.workflow,
            order_id=order.reference,
            clock=event.clock,
            moment=event.moment,
            due=event.due,
            values=dict(event.values),
        ),
    )

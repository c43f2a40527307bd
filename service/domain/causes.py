"""Everything that can change an order: an event, a due clock, what became of a message, a person's act."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct

from service.domain.events import Event
from service.domain.notices import Notification


class Happened(Struct, frozen=True):
    """A publisher's event."""

    event: Event


class ClockDue(Struct, frozen=True):
    """The order's nearest clock or escalation time has come."""


class MessageSettled(Struct, frozen=True):
    """A notification reached a new state; `siblings` are the others of its notice."""

    notification: Notification
    siblings: tuple[Notification, ...] = ()
    drop_address: bool = False


class NoticeOrdered(Struct, frozen=True):
    """An agent sends a manual notice, having filled in what it asks."""

    reason: str
    by: str
    channels: tuple[str, ...] = ()
    inputs: Mapping[str, Any] = {}


class IssueRaised(Struct, frozen=True):
    """An agent reports an issue."""

    reason: str
    by: str
    detail: str = ""


class EscalationHandled(Struct, frozen=True):
    """A supervisor acts on an escalation."""

    escalation_id: UUID
    act: Literal["acknowledge", "resolve", "snooze", "comment"]
    by: str
    comment: str = ""
    until: datetime | None = None


class PersonErased(Struct, frozen=True):
    """Somebody is to be forgotten: everybody at one of these addresses, or everybody at all; `names` are theirs."""

    addresses: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    everybody: bool = False


class OptOutSaid(Struct, frozen=True):
    """A person of the order wants no more messages on a channel, or wants them again (`lifted`)."""

    channel: str
    address: str
    why: str
    lifted: bool = False


class LinkRevoked(Struct, frozen=True):
    """The order's tracking links so far are void."""

    by: str


Cause = (
    Happened
    | ClockDue
    | MessageSettled
    | NoticeOrdered
    | IssueRaised
    | EscalationHandled
    | PersonErased
    | LinkRevoked
    | OptOutSaid
)

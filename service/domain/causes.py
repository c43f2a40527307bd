"""The causes that can change an order: commands, which ask for something, and events, which have happened.

`at` is the moment at which the cause is decided about (UTC). A publisher's own time is in its event.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct

from service.domain.events import Event
from service.domain.notices import Message
from service.domain.order import Escalation
from service.domain.parts import Part
from service.domain.persons import Person, Wishes


class Wave(Struct, frozen=True):
    """A notice that goes to many orders at once: the addresses that were told already, and the time of the next one."""

    told: frozenset[str]
    not_before: datetime


class SendNotice(Struct, frozen=True):
    """Command of an agent: send a manual notice, `inputs` being what they filled in."""

    at: datetime
    reason: str
    by: str
    channels: tuple[str, ...] = ()
    inputs: Mapping[str, Any] = {}
    wave: Wave | None = None


class ReportIssue(Struct, frozen=True):
    """Command of an agent: report an issue, which escalates."""

    at: datetime
    reason: str
    by: str
    detail: str = ""


EscalationAct = Literal["acknowledge", "assign", "comment", "reopen", "resolve", "snooze"]


class HandleEscalation(Struct, frozen=True):
    """Command of a supervisor about one escalation.

    `until` is when a snooze ends. `to`: who is to have it; nobody if empty. `take_over`: although somebody has it;
    `take_over_from`: although this person has it.
    `settled`: the escalation as it was when it was resolved, to open it again.
    """

    at: datetime
    escalation_id: UUID
    act: EscalationAct
    by: str
    comment: str = ""
    until: datetime | None = None
    to: str = ""
    take_over: bool = False
    take_over_from: str = ""
    settled: Escalation | None = None


class NoticeThen(Struct, frozen=True):
    """What is needed of a planned notice to say whether it is stale."""

    id: UUID
    stage_rank: int
    supersedable: bool


class ResendMessages(Struct, frozen=True):
    """Command: resend these messages, by `channel` (empty: each by its own), not before `not_before` (UTC).

    `notices`: the notices that they belong to; `siblings`: all messages of those. `opted_out`: suppressed addresses.
    """

    at: datetime
    messages: tuple[Message, ...]
    siblings: tuple[Message, ...]
    notices: tuple[NoticeThen, ...]
    by: str
    channel: str = ""
    not_before: datetime | None = None
    opted_out: frozenset[str] = frozenset()


class ErasePerson(Struct, frozen=True):
    """Command: erase the people with these addresses, whose names are `names`; or everybody."""

    at: datetime
    addresses: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    everybody: bool = False


class RevokeLinks(Struct, frozen=True):
    """Command: void all tracking links of the order that were made so far."""

    at: datetime
    by: str


class AnswerCustomer(Struct, frozen=True):
    """Command of an agent: answer the person who wrote last; `channel`: another one than they wrote on."""

    at: datetime
    text: str
    by: str
    channel: str = ""


class MoveReply(Struct, frozen=True):
    """Command of an agent: a message from a person belongs to another order, `to`.

    `waits_since`: since when a message that stays here is unanswered (UTC); None: none is.
    """

    at: datetime
    by: str
    to: str
    waits_since: datetime | None = None


class EventReceived(Struct, frozen=True):
    """A publisher's event came in. `wishes`: by address key, what its people chose on their preference pages.

    `whole_told`: the notices that the order's whole tells by the same event, in place of some of the order's own.
    """

    at: datetime
    event: Event
    wishes: Mapping[str, Wishes] = {}
    whole_told: frozenset[str] = frozenset()


class PartChanged(Struct, frozen=True):
    """A part of the order is new, or has changed when it `happened` (UTC), by the publisher's `event` of this id."""

    at: datetime
    happened: datetime
    part: Part
    event: str = ""


class ClockDue(Struct, frozen=True):
    """A clock or an escalation of the order is due."""

    at: datetime


class GreetRows(Struct, frozen=True):
    """Rows were added to a list: a notice for each of the rows' people who asked for it, and for nobody else."""

    at: datetime
    notice: str
    people: tuple[Person, ...]


class MessageSettled(Struct, frozen=True):
    """A message reached a new state; `siblings` are the others of its notice."""

    at: datetime
    message: Message
    siblings: tuple[Message, ...] = ()
    drop_address: bool = False


class OptOutChanged(Struct, frozen=True):
    """A person of the order opted out of a channel, or in again (`lifted`)."""

    at: datetime
    channel: str
    address: str
    why: str
    lifted: bool = False


class PreferencesChanged(Struct, frozen=True):
    """A person of the order, known by these address keys, chose what they want to be sent."""

    at: datetime
    addresses: frozenset[str]
    wishes: Wishes


class ReplyReceived(Struct, frozen=True):
    """A person wrote or tapped. `payload`: the reply named by a tap; `audience`: theirs, where no address tells.

    `is_sure`: it is certain which order the message is about, so that its words may count as a reply. `opted_out`: the
    same message was an opt-out, so that nothing can be sent there. `moved_by`: the agent who moved it to this order.
    `only_known`: it is kept only where it is one of the pack's replies, as it has another meaning already.
    """

    at: datetime
    channel: str
    address: str
    text: str = ""
    payload: str = ""
    audience: str = "customer"
    is_sure: bool = True
    opted_out: bool = False
    moved_by: str = ""
    only_known: bool = False


Command = (
    SendNotice
    | ReportIssue
    | HandleEscalation
    | ResendMessages
    | ErasePerson
    | RevokeLinks
    | AnswerCustomer
    | MoveReply
)
Cause = (
    Command
    | EventReceived
    | PartChanged
    | ClockDue
    | GreetRows
    | MessageSettled
    | OptOutChanged
    | ReplyReceived
    | PreferencesChanged
)

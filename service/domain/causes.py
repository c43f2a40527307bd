"""Everything that can change an order: commands, which somebody gives, and events, which have happened.

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
    """Of a notice that goes to many orders at once: the addresses that it has told already, and when it goes on."""

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

    `until` is when a snooze ends. `to`: who is to have it; nobody if empty. `take_over`: although somebody has it.
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
    settled: Escalation | None = None


class NoticeThen(Struct, frozen=True):
    """A notice as it was planned, as far as it says whether it is stale by now."""

    id: UUID
    stage_rank: int
    supersedable: bool


class ResendMessages(Struct, frozen=True):
    """Command: tell these messages again, by `channel` (empty: each by its own), not before that moment.

    `siblings` are all messages of their notices, `notices` those. `opted_out`: addresses that want none that way.
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
    """Command: forget everybody at one of these addresses, or everybody at all; `names` are theirs."""

    at: datetime
    addresses: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    everybody: bool = False


class RevokeLinks(Struct, frozen=True):
    """Command: the order's tracking links so far are void."""

    at: datetime
    by: str


class AnswerCustomer(Struct, frozen=True):
    """Command of an agent: their own words to whoever said something last; `channel`: another way than they came."""

    at: datetime
    text: str
    by: str
    channel: str = ""


class MoveReply(Struct, frozen=True):
    """Command of an agent: what was said here belongs to the order that is called `to`.

    `waits_since`: since when somebody waits by what stays here (UTC); None: nobody does.
    """

    at: datetime
    by: str
    to: str
    waits_since: datetime | None = None


class EventReceived(Struct, frozen=True):
    """A publisher's event came in. `wishes`: by comparable address, what its people chose themselves before.

    `whole_told`: the notices that the order's whole tells by the same event, and that others of the order give way to.
    """

    at: datetime
    event: Event
    wishes: Mapping[str, Wishes] = {}
    whole_told: frozenset[str] = frozenset()


class PartChanged(Struct, frozen=True):
    """A part of the order is new, or stands otherwise since it `happened`, by the publisher's `event` of this id."""

    at: datetime
    happened: datetime
    part: Part
    event: str = ""


class ClockDue(Struct, frozen=True):
    """The order's nearest clock or escalation time has come."""

    at: datetime


class GreetRows(Struct, frozen=True):
    """Rows came to a list whose people asked to hear of it: a notice for each of them, and for nobody else."""

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
    """A person of the order wants no more messages on a channel, or wants them again (`lifted`)."""

    at: datetime
    channel: str
    address: str
    why: str
    lifted: bool = False


class PreferencesChanged(Struct, frozen=True):
    """Somebody of the order, who has these addresses (comparably written), chose what they want to be sent."""

    at: datetime
    addresses: frozenset[str]
    wishes: Wishes


class ReplyReceived(Struct, frozen=True):
    """Somebody wrote or tapped. `payload`: the reply that a tap names; `audience`: who it is where no address tells.

    `is_sure`: whether words may count, as it is known which order they are about. `opted_out`: by the same message, so
    that nothing can be told there. `moved_by`: the agent who gave it to this order. `only_known`: it
    counts as said only where it is one of the pack's replies, as it is a word of another kind already.
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

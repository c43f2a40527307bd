"""A message's life: planned, claimed, sent, answered by a provider, confirmed by receipts.

    pending → sending → sent → delivered → read
                        sent → undelivered
    sending → retrying → sending      a definite failure that can heal
    pending → held → pending          somebody holds its channel, workflow or notice, and releases it
    sending → unknown                 the request left us and no answer came
    ends: failed, expired, superseded, suppressed, bundled (and delivered, read, undelivered)

`settle` is the whole state machine; ends are final (but what was delivered may be read), a receipt's rank never goes
down, and a message that may have left never ends as if it had not.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from msgspec import Struct

from service.domain.attached import Attached
from service.domain.calendars import QuietHours, quiet_until
from service.domain.events import Appointment, Payment
from service.domain.lists import ListState
from service.domain.notice_rules import WhenUnknown
from service.domain.parts import Part

State = Literal[
    "pending",
    "sending",
    "retrying",
    "held",
    "unknown",
    "sent",
    "delivered",
    "read",
    "undelivered",
    "failed",
    "expired",
    "superseded",
    "bundled",
    "suppressed",
]

FINAL_STATES: Final = frozenset(
    {"delivered", "read", "undelivered", "failed", "expired", "superseded", "suppressed", "bundled"}
)
# A lane waits for these; `unknown` does not hold up newer messages while it is being settled.
ACTIVE_STATES: Final = ("pending", "retrying", "sending")
# Waits to be sent; whoever sends it has not begun. What is held waits for a person.
WAITING_STATES: Final = ("pending", "retrying", "held")
SENT_STATES: Final = frozenset({"sent", "delivered", "read"})
# It reached its reader's provider, by itself or within another message.
TOLD_STATES: Final = SENT_STATES | {"bundled"}
# The provider has the message, or may have it: it counts against the caps.
MAY_HAVE_LEFT: Final = SENT_STATES | {"undelivered", "unknown"}
# Not told on purpose: the order moved on, or the reader does not want it. The promise to tell goes with it.
NOT_SENT_ON_PURPOSE: Final = frozenset({"superseded", "suppressed"})

# Why a message is suppressed whose reader wants none on its channel.
OPTED_OUT: Final = "the recipient opted out"


class Message(Struct, frozen=True, gc=False):
    """One message to one address over one channel; `resent` counts sends repeated after an unknown one.

    `locale` is the pack's language nearest to the reader's; `region` (ISO 3166, or 419) whose way of writing they use.
    """

    id: UUID
    notice_id: UUID
    order_id: UUID
    notice: str
    channel: str
    audience: str
    person: int
    address: str
    name: str
    locale: str
    timezone: str
    state: State
    valid_until: datetime
    not_before: datetime
    when_unknown: WhenUnknown = "resend"
    secret: bool = False
    attempts: int = 0
    resent: int = 0
    provider: str = ""
    provider_id: str = ""
    error_code: str = ""
    error: str = ""
    sent_at: datetime | None = None
    region: str = ""
    bundle: str = ""  # whose messages to the same address may leave in one with it; known while it is planned
    behind: timedelta = timedelta(0)  # how long it lets the messages of other orders go first
    rung: int = 0  # of its notice's ladder, from 1; 0: it is on none
    quiet: QuietHours | None = None  # in which it does not go out, whenever it is tried; in the reader's own time


class Snapshot(Struct, frozen=True, omit_defaults=True):
    """What templates may use of the order, as it was when the notice was planned; never a secret.

    `withheld`: replies that the notice offers elsewhere, and that would mean nothing of this order.
    `handlers`: the audiences that are whoever handles the order and nobody besides, with their id.
    """

    order_id: str
    status: str
    stage: str
    assignee: Mapping[str, str] | None = None
    previous_assignee: str = ""
    eta: datetime | None = None
    appointment: Appointment | None = None
    price: Mapping[str, str] | None = None
    payment: Payment | None = None
    note: str = ""
    attributes: Mapping[str, Any] = {}
    people: Mapping[str, str] = {}
    contacts: Mapping[str, Mapping[str, str]] = {}
    asked: Mapping[str, Any] = {}
    brand: str = ""
    withheld: tuple[str, ...] = ()
    lists: Mapping[str, ListState] = {}
    attachments: tuple[Attached, ...] = ()
    parent: str = ""
    parts: tuple[Part, ...] = ()
    handlers: Mapping[str, str] = {}


class PlannedNotice(Struct, frozen=True):
    """A notice as decided: what happened, whom it tells, and the order's data at that moment."""

    id: UUID
    name: str
    at: datetime
    planned: datetime
    stage_rank: int
    supersedable: bool
    valid_until: datetime
    context: Snapshot
    messages: tuple[Message, ...]
    secret: str | None = None
    called_off: str = ""


RefusedScope = Literal["provider", "destination", "address"]


class Accepted(Struct, frozen=True, gc=False):
    """The provider took the message."""

    provider: str
    provider_id: str = ""


class Transient(Struct, frozen=True):
    """Definitely not sent, and may heal: rate limited, connection refused, greylisted."""

    provider: str
    code: str
    error: str
    at_least: float = 0.0  # seconds to wait, as the provider asked
    pause: bool = False  # whether it asked to be left alone so long by everybody


class Permanent(Struct, frozen=True):
    """Will never be sent to this address: `kind` says what to learn from it. `unable`: by this provider alone.

    `bounced`: the enhanced code (RFC 3463) by which the reader's mailbox is none; nothing more is to go there.
    """

    provider: str
    code: str
    error: str
    kind: Literal["refused", "bad_address", "opted_out", "unregistered", "unable"] = "refused"
    bounced: str = ""


class Refused(Struct, frozen=True):
    """The provider refuses us, not this message or its reader: account, sender, set-up, quota, relay policy.

    Nothing was sent; the message waits within its own deadline for another provider, or for this one to be mended.
    `scope`: whom else it hits: every message of the provider, all that go to the same country or mail domain
    (`destination`), or none that we could name (`address`: Apple's key is wrong, and which token is Apple's?).
    """

    provider: str
    code: str
    error: str
    scope: RefusedScope = "provider"
    at_least: float = 0.0  # seconds to wait


class Deferred(Struct, frozen=True):
    """No provider was asked: each is left alone for now. It counts as no attempt."""

    provider: str
    error: str
    at_least: float = 0.0  # seconds to wait


class NoAnswer(Struct, frozen=True):
    """The request left us and no answer came: it may or may not have been taken."""

    provider: str
    error: str


class Receipt(Struct, frozen=True, gc=False):
    """What the provider says later. `refuses`: it was not delivered because of us, and whom else that hits."""

    status: Literal["queued", "sent", "delivered", "read", "undelivered"]
    provider_id: str
    code: str = ""
    words: str = ""
    refuses: RefusedScope | None = None


class Lookup(Struct, frozen=True):
    """Two minutes passed after an unanswered send; `missing`: the provider is sure that it never got the message."""

    missing: bool = False


ProviderResult = Accepted | Transient | Permanent | Refused | Deferred | NoAnswer | Receipt | Lookup


def rests_until(n: Message, now: datetime, timezone: str) -> datetime | None:
    """When its reader may be disturbed again (UTC), if not now: it was planned before, and waited until here.

    `timezone`: the pack's, for readers whose own is not known.
    """
    return quiet_until(n.quiet, now, n.timezone or timezone) if n.quiet else None


def before_sending(
    n: Message,
    now: datetime,
    *,
    planned: datetime,
    supersedable: bool,
    passed_by: bool,
    grace: timedelta,
    opted_out: bool,
    called_off: str = "",
) -> tuple[State, str] | None:
    """Why a claimed message must not be sent after all, or None: stale is worse than silent."""
    if now >= n.valid_until:
        return "expired", "its time ran out before it could be sent"
    if called_off:
        return "superseded", f"called off: {called_off}"
    if supersedable and passed_by and now - planned > grace:
        return "superseded", "the order has moved on to a later stage"
    if opted_out:
        return "suppressed", OPTED_OUT
    return None

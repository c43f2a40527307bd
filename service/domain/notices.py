"""A message's life: planned, claimed, sent, answered by a provider, confirmed by receipts.

    pending → sending → sent → delivered → read
                        sent → undelivered
    sending → retrying → sending      a definite failure that can heal
    pending → held → pending          somebody holds its channel, workflow or notice, and releases it
    sending → unknown                 the request left us and no answer came
    ends: failed, expired, superseded, suppressed, bundled (and delivered, read, undelivered)

`settle` is the whole state machine; ends are final (but what was delivered may be read), a receipt's rank never goes
down, and what may have left never ends as if it had not.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from service.domain.attached import Attached
from service.domain.calendars import QuietHours, quiet_until
from service.domain.events import Appointment, Payment
from service.domain.lists import ListState
from service.domain.parts import Part
from service.domain.workflow import WhenUnknown

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
RECEIPT_RANK: Final[Mapping[str, int]] = {"queued": 1, "sent": 2, "delivered": 3, "undelivered": 3, "read": 4}
SENT_STATES: Final = frozenset({"sent", "delivered", "read"})
# It reached its reader's provider, by itself or within another message.
TOLD_STATES: Final = SENT_STATES | {"bundled"}
# The provider has the message, or may have it: it counts against the caps.
MAY_HAVE_LEFT: Final = SENT_STATES | {"undelivered", "unknown"}
# Not told on purpose: the order moved on, or the reader does not want it. The promise to tell goes with it.
NOT_SENT_ON_PURPOSE: Final = frozenset({"superseded", "suppressed"})

# Why a message is suppressed whose reader wants none on its channel.
OPTED_OUT: Final = "the recipient opted out"
SETTLE_UNKNOWN_AFTER: Final = timedelta(minutes=2)
FRESH_ENOUGH: Final = timedelta(seconds=60)
FIRST_RETRY: Final = timedelta(seconds=2)
LONGEST_RETRY: Final = timedelta(minutes=5)
# So long before its deadline what waits for a provider is tried a last time.
LAST_TRY: Final = timedelta(seconds=10)
MAX_BACKOFF_DOUBLINGS: Final = 12
# Codes of our own: it may have left by a process that died, and its provider did not have it, so that it is to be sent;
# it may have left, and is not sent again.
MISSING: Final = "missing"
NOT_AGAIN: Final = "not_again"


class Message(Struct, frozen=True):
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


class Accepted(Struct, frozen=True):
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


class Receipt(Struct, frozen=True):
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


def settle(n: Message, answer: ProviderResult, now: datetime, jitter: float) -> Message:
    """The message after `answer`; the same one when the answer changes nothing.

    `jitter` is in [0, 1): full jitter for the retry delay.
    """
    match answer:
        case Receipt():
            return _receipt(n, answer, now)
        case _ if n.state in FINAL_STATES or n.state == "sent":
            return n
        case Accepted(provider, provider_id):
            return replace(
                n,
                state="sent",
                provider=provider,
                provider_id=provider_id,
                sent_at=now,
                error="",
                error_code="",
            )
        case Permanent(provider, code, error):
            return replace(n, state="failed", provider=provider, error_code=code, error=error)
        case NoAnswer(provider, error):
            return replace(n, state="unknown", provider=provider, error=error, not_before=now + SETTLE_UNKNOWN_AFTER)
        case Transient(provider, code, error, at_least):
            return _retry(n, answer, now + retry_delay(n.attempts, jitter, at_least))
        case Refused(at_least=at_least):
            # The provider's breaker holds it back; once that closes, nothing else should.
            return _retry(n, answer, _in_time(n, now, at_least))
        case Deferred(provider, error, at_least):
            kept = replace(n, attempts=max(0, n.attempts - 1), provider=provider or n.provider)
            return _retry(kept, Transient(kept.provider, n.error_code, error), _in_time(n, now, at_least))
        case Lookup(missing):
            return _give_up_waiting(n, missing, now)


def _in_time(n: Message, now: datetime, at_least: float) -> datetime:
    """When to try again what only waits for a provider: within its own deadline once more, if there is time for that.

    The provider may be mended, or found to be by another process, before its rest is over here.
    """
    at = now + max(FIRST_RETRY, timedelta(seconds=at_least))
    last = n.valid_until - LAST_TRY
    return last if at >= n.valid_until and last >= now + FIRST_RETRY else at


def _retry(n: Message, answer: Transient | Refused, at: datetime) -> Message:
    """Another try at that moment, or the end of the message where its time is over by then."""
    provider, code, error = answer.provider, answer.code, answer.error
    if at >= n.valid_until:
        return replace(ended_unsent(n, "expired", error, code), provider=provider)
    return replace(n, state="retrying", provider=provider, error_code=code, error=error, not_before=at)


def _give_up_waiting(n: Message, missing: bool, now: datetime) -> Message:
    """By the notice's policy; if the order has moved on meanwhile, it is superseded when it comes to be sent.

    Where the process died in the send (nobody wrote a provider down) and the message is `missing`, nothing was sent
    and nothing counts as sent again. A provider that keeps silent is not believed so: it might be slow.
    """
    if n.state != "unknown" or n.error_code == NOT_AGAIN:
        return n
    fresh = n.valid_until - now
    may_resend = n.when_unknown == "resend" or (n.when_unknown == "while_fresh" and fresh > FRESH_ENOUGH)
    never_sent = missing and not n.provider
    if may_resend and (never_sent or n.resent == 0) and fresh > timedelta(0):
        again = replace(n, error_code=MISSING) if never_sent else replace(n, resent=1)
        return replace(again, state="pending", not_before=now)
    return n


def ended_unsent(n: Message, state: State, why: str, code: str = "") -> Message:
    """The message ended without being sent (again).

    Where an earlier send got no answer it may have arrived: then it stays `unknown`, for the provider to settle. So it
    does where a process died in its send, even if its provider did not have it when it was asked soon after.
    """
    if n.resent:
        words = f"sent once without an answer, and not again: {why}"
    elif n.error_code == MISSING:
        words = f"a process died sending it, its provider did not have it, and it is not sent again: {why}"
    else:
        return replace(n, state=state, error=why, error_code=code)
    return replace(n, state="unknown", error=words, error_code=NOT_AGAIN)


def gives_place_back(before: Message, after: Message) -> bool:
    """Whether the place that a send had taken under the caps is free again: certainly nothing left by it."""
    sent_again = after.state == "pending" and after.resent > before.resent
    return not sent_again and after.state not in MAY_HAVE_LEFT


def _receipt(n: Message, receipt: Receipt, now: datetime) -> Message:
    if n.state == "delivered" and receipt.status == "read":
        return replace(n, state="read", provider_id=receipt.provider_id or n.provider_id)
    if n.state in FINAL_STATES:
        return n
    rank = RECEIPT_RANK[receipt.status]
    if receipt.status == "queued" or (n.state == "sent" and rank <= RECEIPT_RANK["sent"]):
        if n.state in ("unknown", "sending"):
            return replace(n, state="sent", provider_id=receipt.provider_id, sent_at=now, error="")
        return n
    state: State = "sent" if receipt.status == "sent" else receipt.status
    error = receipt.words or (f"provider error {receipt.code}" if receipt.code else "")
    return replace(
        n,
        state=state,
        provider_id=receipt.provider_id or n.provider_id,
        sent_at=n.sent_at or now,
        error_code=receipt.code,
        error=error,
    )


def retry_delay(attempts: int, jitter: float, at_least: float = 0.0) -> timedelta:
    """Exponential with full jitter, never sooner than the provider asked."""
    doubled: timedelta = FIRST_RETRY * (2 ** min(attempts, MAX_BACKOFF_DOUBLINGS))
    return max(timedelta(seconds=at_least), min(doubled, LONGEST_RETRY) * jitter)


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

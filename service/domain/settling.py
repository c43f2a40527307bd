"""The state machine of messages, drawn in `notices`: `settle` applies the result of an attempt, or a receipt."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from service.domain.notices import (
    FINAL_STATES,
    MAY_HAVE_LEFT,
    Accepted,
    Deferred,
    Lookup,
    Message,
    NoAnswer,
    Permanent,
    ProviderResult,
    Receipt,
    Refused,
    State,
    Transient,
)

RECEIPT_RANK: Final[Mapping[str, int]] = {"queued": 1, "sent": 2, "delivered": 3, "undelivered": 3, "read": 4}
SETTLE_UNKNOWN_AFTER: Final = timedelta(minutes=2)
FRESH_ENOUGH: Final = timedelta(seconds=60)
FIRST_RETRY: Final = timedelta(seconds=2)
LONGEST_RETRY: Final = timedelta(minutes=5)
# How long before its deadline a message that waits for a provider is tried a last time.
LAST_TRY: Final = timedelta(seconds=10)
MAX_BACKOFF_DOUBLINGS: Final = 12
# Codes of our own: it may have left by a process that died, and its provider did not have it, so that it is to be sent;
# it may have left, and is not sent again.
MISSING: Final = "missing"
NOT_AGAIN: Final = "not_again"


def settle(n: Message, answer: ProviderResult, now: datetime, jitter: float) -> Message:
    """The message after `answer`; the same object when the answer changes nothing.

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
            # Only the provider's circuit breaker delays it.
            return _retry(n, answer, _in_time(n, now, at_least))
        case Deferred(provider, error, at_least):
            kept = replace(n, attempts=max(0, n.attempts - 1), provider=provider or n.provider)
            return _retry(kept, Transient(kept.provider, n.error_code, error), _in_time(n, now, at_least))
        case Lookup(missing):
            return _give_up_waiting(n, missing, now)


def _in_time(n: Message, now: datetime, at_least: float) -> datetime:
    """When to retry a message that only waits for a provider: once more within its own deadline, if there is time.

    The provider may work again, or another process may notice that it does, before the breaker here half-opens.
    """
    at = now + max(FIRST_RETRY, timedelta(seconds=at_least))
    last = n.valid_until - LAST_TRY
    return last if at >= n.valid_until and last >= now + FIRST_RETRY else at


def _retry(n: Message, answer: Transient | Refused, at: datetime) -> Message:
    """The message with a retry at that moment, or expired where its time is over by then."""
    provider, code, error = answer.provider, answer.code, answer.error
    if at >= n.valid_until:
        return replace(ended_unsent(n, "expired", error, code), provider=provider)
    return replace(n, state="retrying", provider=provider, error_code=code, error=error, not_before=at)


def _give_up_waiting(n: Message, missing: bool, now: datetime) -> Message:
    """An unknown message after its wait, by the notice's policy; if the order has moved on, sending will supersede it.

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
    """The message, ended without being sent (again).

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
    """Whether the send's place under the caps is given back, as certainly nothing was sent."""
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

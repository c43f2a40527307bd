"""The verdict on an event, for its publisher and for the log."""

from datetime import datetime
from typing import Final, Literal

import structlog
from msgspec import Struct, structs

from service.domain.events import Event, EventWarning
from service.domain.quoting import reference
from service.ledger.orders import inbox
from service.telemetry import metrics

log = structlog.get_logger(__name__)

DIFFERS: Final = (
    "an event of this source and id was taken before and said something else; "
    "this one was not applied: give every event an id of its own"
)


class Verdict(Struct, frozen=True):
    """What became of one message. `differs`: it repeats the name of an event that said something else.

    *waiting*: it is of a part whose whole is not known yet; it is kept, and decided once that comes.
    """

    outcome: Literal["accepted", "late", "duplicate", "rejected", "waiting"]
    reason: str = ""
    event: Event | None = None
    traceparent: str = ""
    differs: bool = False
    recorded: inbox.Recorded | None = None


def repeated(event: Event | None, content: bytes | None, earlier: inbox.InboxEntry) -> Verdict:
    """The verdict on a duplicate; with a warning to its publisher where its content differs."""
    if event is None or earlier.content is None or earlier.content == content:
        return Verdict("duplicate", event=event)
    warning = EventWarning("id", DIFFERS)
    return Verdict("duplicate", DIFFERS, structs.replace(event, warnings=(*event.warnings, warning)), differs=True)


def log_verdict(verdict: Verdict, now: datetime) -> None:
    """The line of an event, once what it says is in the ledger."""
    event = verdict.event
    if event is None:
        log.info("event.rejected", reason=verdict.reason)
        return
    # The id of an unknown order may be anything, such as a phone number.
    known = verdict.outcome not in ("rejected", "waiting")
    order_id = event.reference if known else reference(event.reference)
    log.info(
        f"event.{verdict.outcome}",
        order_id=order_id,
        event_id=reference(event.id),
        type=event.type,
        reason=verdict.reason,
    )
    if verdict.differs:
        log.warning("event.duplicate_differs", order_id=order_id, event_id=reference(event.id))
        metrics.duplicates_differing.inc()
    if verdict.outcome != "duplicate":
        metrics.event_lag.observe(max(0.0, (now - event.time).total_seconds()))

"""What is refused: the dead letter that is made of it, and the end of what can never be applied."""

import itertools
from datetime import datetime

import structlog

from service.broker.port import AT_HEADER, DEAD, PLACE_HEADER, REASON_HEADER, ROUTING_KEY_HEADER
from service.domain.quoting import is_reference, reference
from service.intake.cloudevents import STRUCTURED
from service.intake.reading import ReadMessage
from service.intake.replays import sealed_dead_letter
from service.intake.verdicts import Verdict
from service.ledger.messages.outbox import OutboxMessage
from service.ledger.orders import inbox
from service.ledger.orders.records import UNREADABLE, UNREADABLE_HINT
from service.orders import Orders
from service.telemetry import metrics
from service.telemetry.logs import frames

log = structlog.get_logger(__name__)


class Refusals:
    """Makes dead letters. Each bears its place among those of this process, so that they keep their order."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._places = itertools.count()

    def dead_letter(self, r: ReadMessage, reason: str, now: datetime) -> OutboxMessage:
        """The dead letter of a refused message, sealed, with its reason in words (at most 1,000 characters)."""
        incoming = r.incoming
        headers = {
            REASON_HEADER: reason[:1000],
            AT_HEADER: now.isoformat(),
            PLACE_HEADER: str(next(self._places)),
            ROUTING_KEY_HEADER: incoming.routing_key if is_reference(incoming.routing_key) else "",
        }
        name = incoming.message_id or (r.event.id if r.event else "")
        return OutboxMessage(
            exchange=DEAD,
            routing_key=headers[ROUTING_KEY_HEADER],
            message_id=name if is_reference(name) else "",
            body=sealed_dead_letter(incoming, self._orders.keyring),
            content_type=STRUCTURED,
            headers=headers,
        )

    async def refuse(self, r: ReadMessage, error: Exception | None, dead_letter: bool, attempts: int = 0) -> Verdict:
        """Give up, in a transaction of its own, a message that cannot be applied however often it is tried.

        `error`: what it raised; None: the process ended in each of its `attempts`. `dead_letter`: whether it also
        becomes one.
        """
        if error is None:
            reason = f"the service ended {attempts - 1} times while it worked on this message; look at its log"
        elif isinstance(error, UNREADABLE):
            reason = f"its order does not open: {UNREADABLE_HINT}"
            log.error("event.order_unreadable", where=frames(error), hint=UNREADABLE_HINT)
        else:
            reason = f"could not be applied: {type(error).__name__}; this is a fault of Stagebell, see its log"
            order_id = reference(r.event.reference) if r.event else None
            # Where, not in which words: an error may repeat what it could not work with.
            log.error("event.failed", order_id=order_id, error=type(error).__name__, where=frames(error))
        async with self._orders.unit_of_work() as u:
            if dead_letter:
                u.changes.send(self.dead_letter(r, reason, u.now))
            known = await inbox.outcomes(u.tx, [r.key])
            inbox.record(u.changes.writes, {r.key: inbox.InboxEntry("rejected", reason)}, known, u.now)
        metrics.events.labels("rejected").inc()
        return Verdict("rejected", reason, r.event)

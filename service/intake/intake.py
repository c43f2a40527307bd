"""Takes events: a batch is one transaction; duplicates change nothing; what is refused becomes a dead letter."""

import time
from collections.abc import Sequence
from typing import Final

import structlog

from service.broker.port import Delivery
from service.domain.errors import Rejection
from service.domain.wholes import parent_given
from service.failpoints import failpoint
from service.intake.deciding import EventDecider
from service.intake.decoding import Incoming, standing
from service.intake.line import QueuedDelivery
from service.intake.parking import Parking, order_of
from service.intake.reading import ReadMessage, read_messages
from service.intake.refusals import Refusals
from service.intake.replays import replay_opened
from service.intake.sooner import Later, Sooner
from service.intake.verdicts import Verdict, log_verdict
from service.ledger.database.faults import AlreadyThere, is_outage
from service.ledger.orders import inbox
from service.orders import Orders
from service.pacing import breathe
from service.runtime.backoff import Backoff
from service.telemetry import metrics, tracing
from service.unit_of_work import BecamePart, UnitOfWork

log = structlog.get_logger(__name__)

MAX_ATTEMPTS: Final = 5
RACE_RETRIES: Final = 5


class Intake:
    """Applies messages to orders. `dead_letter`: whether a refusal also becomes a dead letter."""

    def __init__(self, orders: Orders, sooner: Sooner | None = None) -> None:
        """`sooner`: who sends what was just planned without its being claimed; None: nobody in this process."""
        self._orders = orders
        self._refusals = Refusals(orders)
        self._decider = EventDecider(orders, self._refusals)
        self.sooner: Sooner = sooner or Later()

    def placed(self, delivery: Delivery, message: Incoming) -> QueuedDelivery:
        """Where a delivery stands in line; what cannot be read concerns no order."""
        try:
            found = standing(replay_opened(message, self._orders.keyring))
        except Rejection:
            found = None
        if found is None:
            return QueuedDelivery(delivery, delivery.tag, "", is_code=False)
        return QueuedDelivery(delivery, found.ref, found.source, is_code=found.is_code)

    async def take(self, messages: Sequence[Incoming], *, dead_letter: bool) -> list[Verdict]:
        """Decide and commit these, in order; bad input gets a verdict too.

        Raises what the database raises while it is away.
        """
        reads = await read_messages(messages, self._orders.keyring)
        verdicts: list[Verdict] = []
        while len(verdicts) < len(reads):
            verdicts += await self._take_first(reads[len(verdicts) :], dead_letter)
        return verdicts

    async def _take_first(self, reads: Sequence[ReadMessage], dead_letter: bool) -> list[Verdict]:
        """As many of the first of these as one transaction may hold."""
        try:
            verdicts = await self._commit(reads, dead_letter)
        except Exception as error:
            if is_outage(error):
                raise
            if len(reads) == 1:
                return [await self._refusals.refuse(reads[0], error, dead_letter)]
            log.warning("intake.batch_failed", error=type(error).__name__, size=len(reads))
            return [v for r in reads for v in await self._take_first([r], dead_letter)]
        for verdict in verdicts:
            metrics.events.labels(verdict.outcome).inc()
        return verdicts

    async def take_until_committed(self, messages: Sequence[Incoming]) -> list[Verdict]:
        """As `take`, for messages from the broker: tries until the database is back."""
        backoff = Backoff()
        reads = await read_messages(messages, self._orders.keyring)
        suspect = any(m.redelivered for m in messages)
        counted: dict[bytes, int] = {}
        verdicts: list[Verdict] = []
        while len(verdicts) < len(reads):
            try:
                left = reads[len(verdicts) :]
                verdicts += await self._take_suspects(left, counted) if suspect else await self._take_first(left, True)
            except Exception as error:
                if not is_outage(error):
                    raise
                log.warning("intake.database_unavailable", error=type(error).__name__, retry_in_s=backoff.pause_s)
                await backoff.wait()
        return verdicts

    async def _take_suspects(self, reads: Sequence[ReadMessage], counted: dict[bytes, int]) -> list[Verdict]:
        """Messages that came back, one of which may be what ended the last process: each is counted before it is tried.

        Most of them only waited, so they are tried together the first time; what was tried before goes alone.
        `counted`: how often each was tried, this time included, by its key.
        """
        async with self._orders.ledger.transaction() as tx:
            known = await inbox.outcomes(tx, (r.key for r in reads))
            unsettled = [r.key for r in reads if r.key not in known or known[r.key].outcome == inbox.TRYING]
            alone = any(key in known and key not in counted for key in unsettled)
            now_tried = reads[:1] if alone else reads
            uncounted = {r.key for r in now_tried if r.key in unsettled} - counted.keys()
            counted |= await inbox.count_attempts(tx, uncounted, self._orders.time.now())
        if counted.get(reads[0].key, 0) > MAX_ATTEMPTS:
            return [await self._refusals.refuse(reads[0], None, dead_letter=True, attempts=counted[reads[0].key])]
        return await self._take_first(now_tried, True)

    async def _commit(self, reads: Sequence[ReadMessage], dead_letter: bool) -> list[Verdict]:
        for attempt in range(RACE_RETRIES):
            try:
                async with self.sooner.carrying() as carried, self._orders.unit_of_work() as u:
                    verdicts = await self._decide(u, reads, dead_letter)
                    began_ns = time.time_ns()
                    await carried.begin(u)
                    await u.write()
                    failpoint("intake.before_commit")
                tracing.record("commit", began_ns, (v.traceparent for v in verdicts), events=len(reads))
                break
            except (AlreadyThere, BecamePart):
                # Another intake took the same event or order first; what it wrote is seen on the next try.
                if attempt == RACE_RETRIES - 1:
                    raise
        for verdict in verdicts:
            await breathe()
            log_verdict(verdict, u.now)
        return verdicts

    async def _decide(self, u: UnitOfWork, reads: Sequence[ReadMessage], dead_letter: bool) -> list[Verdict]:
        """What becomes of these, or of the first of them when they plan too many messages."""
        events = [r.event for r in reads if r.event]
        refs = [order_of(e) for e in events] + [p for e in events if (p := parent_given(e.data))]
        known = await u.lock_for_events((r.key for r in reads), refs)
        parking = await Parking.of(u, self._orders.packs, events)
        verdicts = await self._decider.decide(u, reads, known, dead_letter, parking)
        await parking.finish()
        return verdicts

    async def take_again(self, u: UnitOfWork, messages: Sequence[Incoming]) -> list[Verdict]:
        """Decide what was taken before and waited, or the first of it, about orders that are locked by now.

        What is refused becomes a dead letter.
        """
        reads = await read_messages(messages, self._orders.keyring)
        return await self._decider.decide(u, reads, {r.key: inbox.InboxEntry(inbox.TRYING) for r in reads}, True, None)

    async def give_up(self, u: UnitOfWork, messages: Sequence[Incoming], reason: str) -> list[Verdict]:
        """End the waiting of these events, with the reason in words: each becomes a dead letter."""
        reads = await read_messages(messages, self._orders.keyring)
        for r in reads:
            u.changes.send(self._refusals.dead_letter(r, reason, u.now))
        results = {r.key: inbox.InboxEntry("rejected", reason, content=r.content) for r in reads}
        inbox.record(u.changes.writes, results, results, u.now)
        return [Verdict("rejected", reason, r.event) for r in reads]

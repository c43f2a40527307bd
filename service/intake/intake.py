"""Takes events: a batch is one transaction; duplicates change nothing; what is refused becomes a dead letter."""

import itertools
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final

import structlog
from msgspec import Struct, structs

from service.broker.port import AT_HEADER, DEAD, PLACE_HEADER, REASON_HEADER, ROUTING_KEY_HEADER, Delivery
from service.canonical import canonical_event
from service.domain import unheeded_people
from service.domain.causes import EventReceived
from service.domain.errors import Rejection
from service.domain.events import Event, people_in
from service.domain.order import Order, OrderRef
from service.domain.persons import Wishes
from service.domain.quoting import is_reference, reference
from service.domain.wholes import parent_given
from service.failpoints import failpoint
from service.intake.acts import act_out, refused_act
from service.intake.chosen import ChosenWishes, theirs
from service.intake.cloudevents import STRUCTURED
from service.intake.decoding import Incoming, read, standing
from service.intake.files import take_files, with_files
from service.intake.line import Waiting
from service.intake.lists import Listed, ListRows
from service.intake.parking import WAITS, Parking, order_of
from service.intake.replays import replay_opened, sealed_dead_letter
from service.intake.sooner import Later, Sooner
from service.intake.verdicts import Verdict, log_verdict, repeated
from service.known_codes import unknown_codes
from service.ledger.attachments.storing import StoredFile
from service.ledger.database.faults import AlreadyThere, is_outage
from service.ledger.messages.outbox import OutboxMessage
from service.ledger.orders import inbox
from service.ledger.orders.recording import recorded_event
from service.ledger.orders.records import UNREADABLE, UNREADABLE_HINT
from service.orders import Orders
from service.pacing import aside, breathe
from service.runtime.backoff import Backoff
from service.telemetry import metrics, tracing
from service.telemetry.logs import frames
from service.unit_of_work import BecamePart, UnitOfWork

log = structlog.get_logger(__name__)

MAX_ATTEMPTS: Final = 5
# Planned in one transaction, and one event's more: a hundred of the usual events, with three messages each, fit.
MOST_MESSAGES: Final = 300
RACE_RETRIES: Final = 5
# With more readers one decision takes longer than a slice.
MANY_PEOPLE: Final = 8


class _Read(Struct, frozen=True):
    incoming: Incoming
    key: bytes
    event: Event | None
    rejection: str
    content: bytes | None = None


class Intake:
    """Applies messages to orders. `dead_letter`: whether a refusal also becomes a dead letter."""

    def __init__(self, orders: Orders, sooner: Sooner | None = None) -> None:
        """`sooner`: who sends what was just planned without its being claimed; None: nobody in this process."""
        self._orders = orders
        self._chosen = ChosenWishes(orders.packs)
        self.sooner: Sooner = sooner or Later()
        self._places = itertools.count()

    def placed(self, delivery: Delivery, message: Incoming) -> Waiting:
        """Where a delivery stands in line; what cannot be read concerns no order."""
        try:
            found = standing(replay_opened(message, self._orders.keyring))
        except Rejection:
            found = None
        if found is None:
            return Waiting(delivery, delivery.tag, "", is_code=False)
        return Waiting(delivery, found.ref, found.source, is_code=found.is_code)

    async def take(self, messages: Sequence[Incoming], *, dead_letter: bool) -> list[Verdict]:
        """Decide and commit these, in order; waits out a database that is away. Raises nothing for bad input."""
        reads = await self._read_all(messages)
        verdicts: list[Verdict] = []
        while len(verdicts) < len(reads):
            verdicts += await self._take_first(reads[len(verdicts) :], dead_letter)
        return verdicts

    async def _take_first(self, reads: Sequence[_Read], dead_letter: bool) -> list[Verdict]:
        """As many of the first of these as one transaction may hold."""
        try:
            verdicts = await self._commit(reads, dead_letter)
        except Exception as error:
            if is_outage(error):
                raise
            if len(reads) == 1:
                return [await self._refuse(reads[0], error, dead_letter)]
            log.warning("intake.batch_failed", error=type(error).__name__, size=len(reads))
            return [v for r in reads for v in await self._take_first([r], dead_letter)]
        for verdict in verdicts:
            metrics.events.labels(verdict.outcome).inc()
        return verdicts

    async def take_until_committed(self, messages: Sequence[Incoming]) -> list[Verdict]:
        """As `take`, for messages from the broker: tries until the database is back."""
        backoff = Backoff()
        reads = await self._read_all(messages)
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

    async def _take_suspects(self, reads: Sequence[_Read], counted: dict[bytes, int]) -> list[Verdict]:
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
            return [await self._refuse(reads[0], None, dead_letter=True, attempts=counted[reads[0].key])]
        return await self._take_first(now_tried, True)

    async def _read_all(self, messages: Sequence[Incoming]) -> list[_Read]:
        reads = []
        for message in messages:
            await breathe()
            reads.append(self._read(message))
        return reads

    def _read(self, message: Incoming) -> _Read:
        keyring = self._orders.keyring
        try:
            message = replay_opened(message, keyring)
            event = read(message)
            key = inbox.key_of(keyring, event.source, event.id)
            return _Read(message, key, event, "", inbox.content_of(keyring, event))
        except Rejection as rejection:
            key = keyring.digest("unread", message.body.decode("latin-1"), message.message_id)
            return _Read(message, key, None, rejection.reason)

    async def _commit(self, reads: Sequence[_Read], dead_letter: bool) -> list[Verdict]:
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

    async def _decide(self, u: UnitOfWork, reads: Sequence[_Read], dead_letter: bool) -> list[Verdict]:
        """What becomes of these, or of the first of them when they plan too many messages."""
        events = [r.event for r in reads if r.event]
        refs = [order_of(e) for e in events] + [p for e in events if (p := parent_given(e.data))]
        known = await u.lock_for_events((r.key for r in reads), refs)
        parking = await Parking.of(u, self._orders.packs, events)
        verdicts = await self._each(u, reads, known, dead_letter, parking)
        await parking.finish()
        return verdicts

    async def take_again(self, u: UnitOfWork, messages: Sequence[Incoming]) -> list[Verdict]:
        """Decide what was taken before and waited, or the first of it, about orders that are locked by now.

        What is refused becomes a dead letter.
        """
        reads = await self._read_all(messages)
        return await self._each(u, reads, {r.key: inbox.Seen(inbox.TRYING) for r in reads}, True, None)

    async def give_up(self, u: UnitOfWork, messages: Sequence[Incoming], reason: str) -> list[Verdict]:
        """What waited has waited in vain: each becomes a dead letter."""
        reads = await self._read_all(messages)
        for r in reads:
            u.changes.send(self._dead_letter(r, reason, u.now))
        results = {r.key: inbox.Seen("rejected", reason, content=r.content) for r in reads}
        inbox.record(u.changes.writes, results, results, u.now)
        return [Verdict("rejected", reason, r.event) for r in reads]

    async def _each(
        self,
        u: UnitOfWork,
        reads: Sequence[_Read],
        known: Mapping[bytes, inbox.Seen],
        dead_letter: bool,
        parking: Parking | None,
    ) -> list[Verdict]:
        wishes = await self._chosen.of(u.tx, (r.event for r in reads if r.event), u.now)
        verdicts: list[Verdict] = []
        results: dict[bytes, inbox.Seen] = {}
        rows = ListRows(self._orders)
        for r in reads:
            if u.changes.messages >= MOST_MESSAGES:
                break
            await breathe()
            earlier = results.get(r.key) or known.get(r.key)
            if earlier and _is_repeat(earlier.outcome, r):
                verdicts.append(repeated(r.event, r.content, earlier))
                continue
            # What waits for its whole comes in later by itself: not what its sender may not say at all.
            may_wait = parking and r.event and not r.incoming.acted and not self._refused(u, r)
            verdict = _parked(r, parking) if parking and may_wait else None
            if verdict is None:
                verdict = await self._with_rows(u, r, wishes, rows)
            results[r.key] = inbox.Seen(verdict.outcome, verdict.reason, content=r.content, recorded=verdict.recorded)
            if verdict.outcome == "rejected" and dead_letter:
                u.changes.send(self._dead_letter(r, verdict.reason, u.now))
            verdicts.append(verdict)
        inbox.record(u.changes.writes, results, known, u.now)
        return verdicts

    async def _with_rows(self, u: UnitOfWork, r: _Read, wishes: Mapping[str, Wishes], rows: ListRows) -> Verdict:
        """What becomes of one, and of the rows and files that it brings to its order: all, or nothing."""
        listed: Listed | None = None
        files: Sequence[StoredFile] = ()
        if r.event is not None and r.event.data.lists and not self._refused(u, r):
            try:
                listed = await rows.listed(u, r.incoming, r.event)
            except Rejection as rejection:
                return Verdict("rejected", rejection.reason, r.event)
        event = r.event
        if event is not None and event.data.note and event.data.note.attachments:
            try:
                event, files = await with_files(u, listed.event if listed else event)
            except Rejection as rejection:
                return Verdict("rejected", rejection.reason, r.event)
        elif listed:
            event = listed.event
        one = partial(self._one, u, structs.replace(r, event=event) if event is not r.event else r, wishes)
        verdict = await aside(one) if event is not None and _is_big(u, event) else one()
        if verdict.outcome != "rejected":
            if listed:
                await rows.write(u, listed)
            take_files(u, files)
        return verdict

    def _refused(self, u: UnitOfWork, r: _Read) -> bool:
        """Whether it is not its sender's to say: then nothing is looked up for it either."""
        assert r.event is not None
        known = u.order(OrderRef(r.event.data.workflow, r.event.reference))
        return bool(refused_act(r.incoming, r.event, known))

    def _one(self, u: UnitOfWork, r: _Read, wishes: Mapping[str, Wishes]) -> Verdict:
        if r.event is None:
            return Verdict("rejected", r.rejection)
        event = r.event
        ref = OrderRef(event.data.workflow, event.reference)
        known = u.order(ref)
        if why := refused_act(r.incoming, event, known):
            return Verdict("rejected", why, event)
        event = self._canonical(event, known, u.now)
        event_id = reference(event.id)
        order_id = event.reference if known else reference(event.reference)
        with tracing.span("decide", parent=event.traceparent, order_id=order_id, event_id=event_id) as span:
            carried = tracing.traceparent_of(span) or event.traceparent or ""
            cause = EventReceived(u.now, event, theirs(event, wishes))
            result = u.decide(ref, cause, carried)
            decided = result.decision
            taken = result.cause if isinstance(result.cause, EventReceived) else cause
            kept = recorded_event(self._orders.keyring, r.key, known, taken, decided) if decided else None
            if decided and r.incoming.acted:
                u.changes.send(act_out(r.incoming, event))
        return Verdict(result.outcome, result.reason, event, carried, recorded=kept)

    def _canonical(self, event: Event, known: Order | None, now: datetime) -> Event:
        """The event as everything else sees it: every address in its one form, or taken out and warned of."""
        pack = self._orders.packs.find(event.data.workflow)
        event = canonical_event(event, pack.workflow.region if pack else "", known)
        unheeded = [*unheeded_people.unheeded(event.data, pack.workflow, known, now)] if pack else []
        unheeded += unknown_codes(event.data)
        if unheeded:
            event = structs.replace(event, warnings=(*event.warnings, *unheeded))
        for warning in event.warnings:
            order_id = event.reference if known else reference(event.reference)
            log.warning("event.warning", order_id=order_id, event_id=reference(event.id), field=warning.field)
        return event

    def _dead_letter(self, r: _Read, reason: str, now: datetime) -> OutboxMessage:
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

    async def _refuse(self, r: _Read, error: Exception | None, dead_letter: bool, attempts: int = 0) -> Verdict:
        """A message that cannot be applied however often it is tried."""
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
                u.changes.send(self._dead_letter(r, reason, u.now))
            known = await inbox.outcomes(u.tx, [r.key])
            inbox.record(u.changes.writes, {r.key: inbox.Seen("rejected", reason)}, known, u.now)
        metrics.events.labels("rejected").inc()
        return Verdict("rejected", reason, r.event)


def _parked(r: _Read, parking: Parking) -> Verdict | None:
    """The verdict about an event that waits for its whole, or can be no part of it; None: it is to be decided."""
    event = r.event
    assert event is not None
    try:
        if not parking.takes(event, r.key, r.incoming):
            return None
    except Rejection as rejection:
        return Verdict("rejected", rejection.reason, event)
    return Verdict("waiting", event=structs.replace(event, warnings=(*event.warnings, WAITS)))


def _is_big(u: UnitOfWork, event: Event) -> bool:
    """Whether it may be told to many: one decision then takes as long as many others."""
    known = u.order(OrderRef(event.data.workflow, event.reference))
    readers = sum(len(people) for people in known.recipients.values()) if known else 0
    return max(readers, people_in(event.data)) > MANY_PEOPLE


def _is_repeat(earlier: str, r: _Read) -> bool:
    """A taken event never counts again; a refused one only when somebody sends it anew."""
    if earlier == inbox.TRYING:
        return False
    if earlier == "rejected":
        return r.incoming.redelivered
    return True

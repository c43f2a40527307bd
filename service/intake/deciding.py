"""Decides the events of a batch, within the unit of work that holds their orders."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final

import structlog
from msgspec import structs

from service.canonical import canonical_event
from service.domain import unheeded_people
from service.domain.causes import EventReceived
from service.domain.errors import Rejection
from service.domain.events import Event, people_in
from service.domain.order import Order, OrderRef
from service.domain.persons import Wishes
from service.domain.quoting import reference
from service.intake.acts import act_out, refused_act
from service.intake.chosen import ChosenWishes, theirs
from service.intake.files import take_files, with_files
from service.intake.lists import EventRows, ListRows
from service.intake.parking import WAITS, Parking
from service.intake.reading import ReadMessage
from service.intake.refusals import Refusals
from service.intake.verdicts import Verdict, repeated
from service.known_codes import unknown_codes
from service.ledger.attachments.storing import StoredFile
from service.ledger.orders import inbox
from service.ledger.orders.recording import recorded_event
from service.orders import Orders
from service.pacing import aside, breathe
from service.telemetry import tracing
from service.unit_of_work import UnitOfWork

log = structlog.get_logger(__name__)

# The most messages planned in one transaction, and those of one event more: a hundred usual events, with three each.
MOST_MESSAGES: Final = 300
# With more readers than this, a decision takes longer than a slice.
MANY_PEOPLE: Final = 8


class EventDecider:
    """Decides events one after the other, each on its order as the one before has left it."""

    def __init__(self, orders: Orders, refusals: Refusals) -> None:
        self._orders = orders
        self._refusals = refusals
        self._chosen = ChosenWishes(orders.packs)

    async def decide(
        self,
        u: UnitOfWork,
        reads: Sequence[ReadMessage],
        known: Mapping[bytes, inbox.InboxEntry],
        dead_letter: bool,
        parking: Parking | None,
    ) -> list[Verdict]:
        """Decide these in order, or the first of them when they plan too many messages; their orders are locked.

        `known`: what the inbox has of them, by key. `dead_letter`: whether what is refused becomes one.
        `parking`: where events wait for their whole; None where they have waited already.
        """
        wishes = await self._chosen.of(u.tx, (r.event for r in reads if r.event), u.now)
        verdicts: list[Verdict] = []
        results: dict[bytes, inbox.InboxEntry] = {}
        rows = ListRows(self._orders)
        for r in reads:
            if u.changes.messages >= MOST_MESSAGES:
                break
            await breathe()
            earlier = results.get(r.key) or known.get(r.key)
            if earlier and _is_repeat(earlier.outcome, r):
                verdicts.append(repeated(r.event, r.content, earlier))
                continue
            # An event that waits for its whole is taken in later without its sender, whose rights are checked now.
            may_wait = parking and r.event and not r.incoming.acted and not self._refused(u, r)
            verdict = _parked(r, parking) if parking and may_wait else None
            if verdict is None:
                verdict = await self._with_rows(u, r, wishes, rows)
            results[r.key] = inbox.InboxEntry(
                verdict.outcome, verdict.reason, content=r.content, recorded=verdict.recorded
            )
            if verdict.outcome == "rejected" and dead_letter:
                u.changes.send(self._refusals.dead_letter(r, verdict.reason, u.now))
            verdicts.append(verdict)
        inbox.record(u.changes.writes, results, known, u.now)
        return verdicts

    async def _with_rows(self, u: UnitOfWork, r: ReadMessage, wishes: Mapping[str, Wishes], rows: ListRows) -> Verdict:
        """Decide one event with the rows and files that it brings: all, or nothing."""
        listed: EventRows | None = None
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

    def _refused(self, u: UnitOfWork, r: ReadMessage) -> bool:
        """Whether the sender may not send this event; then nothing is looked up for it."""
        assert r.event is not None
        known = u.order(OrderRef(r.event.data.workflow, r.event.reference))
        return bool(refused_act(r.incoming, r.event, known))

    def _one(self, u: UnitOfWork, r: ReadMessage, wishes: Mapping[str, Wishes]) -> Verdict:
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
        """The event with canonical addresses, and warnings about everything that cannot be used."""
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


def _parked(r: ReadMessage, parking: Parking) -> Verdict | None:
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
    """Whether the event may be told to many people, so that deciding it takes long."""
    known = u.order(OrderRef(event.data.workflow, event.reference))
    readers = sum(len(people) for people in known.recipients.values()) if known else 0
    return max(readers, people_in(event.data)) > MANY_PEOPLE


def _is_repeat(earlier: str, r: ReadMessage) -> bool:
    """Whether it is a duplicate: of an accepted event always, of a rejected one only as a redelivery by the broker."""
    if earlier == inbox.TRYING:
        return False
    if earlier == "rejected":
        return r.incoming.redelivered
    return True

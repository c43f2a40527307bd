"""Events of a part whose whole was not known yet: once it is there they are decided, in their order, like any others.

Where it does not come within the hour they become dead letters, all of one part together, so that a replay has them in
their order again. The ledger says when to look, so any number of processes may.
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from service.canonical import canonical_event
from service.domain.erasure import Traces
from service.domain.quoting import reference
from service.domain.workflow import Workflow
from service.failpoints import failpoint
from service.intake.dead_letters import names
from service.intake.decoding import read
from service.intake.intake import RACE_RETRIES, Intake
from service.intake.parking import TOPIC, ParkedEvent, kept
from service.intake.verdicts import Verdict, log_verdict
from service.ledger.database.faults import AlreadyThere, is_outage
from service.ledger.orders import waiting
from service.ledger.orders.waiting import WaitingEvent
from service.ledger.people.recorded_of_person import PersonEvent, data_in_event
from service.orders import Orders
from service.runtime.loops import log_failure, run_loop
from service.telemetry import metrics
from service.unit_of_work import BecamePart

AT_ONCE: Final = 100
LONGEST_SLEEP: Final = timedelta(seconds=30)


class WaitingEvents:
    """Looks after what waits, while intake takes what comes."""

    def __init__(self, orders: Orders, intake: Intake) -> None:
        self._orders = orders
        self._intake = intake
        self._wake = orders.wakeups.subscribe(TOPIC)

    async def run(self, stopping: asyncio.Event) -> None:
        """Until `stopping`."""
        await run_loop("waiting_events", self._round, stopping)

    async def _round(self) -> None:
        self._wake.clear()
        if await self.retry_due():
            return
        now = self._orders.time.now()
        async with self._orders.ledger.reading() as tx:
            next_look = await waiting.next_retry(tx) or now + LONGEST_SLEEP
        await self._orders.time.wait(self._wake, min(next_look, now + LONGEST_SLEEP))

    async def retry_due(self) -> int:
        """Look at the orders whose time it is, each in a transaction of its own; at how many."""
        async with self._orders.ledger.reading() as tx:
            orders = await waiting.due(tx, self._orders.time.now(), AT_ONCE)
        for order in orders:
            await self._one(order)
        return len(orders)

    async def _one(self, order: bytes) -> None:
        for attempt in range(RACE_RETRIES):
            try:
                await self._settle(order)
                return
            except (AlreadyThere, BecamePart):
                # Another intake began the order meanwhile; it is seen on the next try.
                if attempt == RACE_RETRIES - 1:
                    raise
            except Exception as error:
                if is_outage(error):
                    raise
                # One that cannot be decided is no reason for others to wait; its hour ends in a dead letter.
                log_failure("waiting_events", error)
                await self._put_off(order)
                return

    async def _settle(self, order: bytes) -> None:
        verdicts: list[Verdict] = []
        async with self._orders.unit_of_work() as u:
            first = await waiting.events_of(u.tx, order, 1)
            if not first:
                return
            named = kept(first[0].plain)
            await u.lock_for_events([], [named.order, named.whole])
            waits = await waiting.events_of(u.tx, order, AT_ONCE, lock=True)
            if not waits:
                return
            if u.order(named.whole) is not None:
                verdicts = await self._intake.take_again(u, [kept(w.plain).message for w in waits])
                await waiting.drop(u.tx, [w.id for w in waits[: len(verdicts)]])
            elif waits[0].until <= u.now:
                messages = [kept(w.plain).message for w in waits]
                verdicts = await self._intake.give_up(u, messages, _why_given_up(named))
                await waiting.drop(u.tx, [w.id for w in waits])
            else:
                await waiting.retry_later(u.tx, order, waits, u.now)
            await u.write()
            failpoint("waiting.before_commit")
        for verdict in verdicts:
            metrics.events.labels(verdict.outcome).inc()
            log_verdict(verdict, u.now)

    async def _put_off(self, order: bytes) -> None:
        async with self._orders.unit_of_work() as u:
            waits: list[WaitingEvent] = await waiting.readable_of(u.tx, order)
            if over := [w for w in waits if w.until <= u.now]:
                why = "could not be applied; this is a fault of Stagebell, see its log"
                await self._intake.give_up(u, [kept(w.plain).message for w in over], why)
                await waiting.drop(u.tx, [w.id for w in over])
            await waiting.postpone(u.tx, order, u.now)


def kept_names(plain: bytes, traces: Traces) -> bool:
    """Whether an event that waits names the person."""
    return names(kept(plain).message, traces)


def data_in_waiting(plain: bytes, workflows: Mapping[str, Workflow], traces: Traces) -> PersonEvent | None:
    """What an event that waits says of the person, if it does, for the person."""
    if not kept_names(plain, traces):
        return None
    event = read(kept(plain).message)
    workflow = workflows.get(event.data.workflow)
    region = workflow.region if workflow else ""
    personal = {n for n, a in workflow.attributes.items() if a.personal} if workflow else set()
    return data_in_event(canonical_event(event, region, None), personal, traces)


def _why_given_up(event: ParkedEvent) -> str:
    whole = f"{event.whole.workflow} order {reference(event.whole.reference)}"
    return f"data.parent: no {whole} came within an hour, of which this is a part; replay it once that order is there"

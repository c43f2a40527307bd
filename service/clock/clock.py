"""The clock loop: sleep until the nearest due time, then let `decide` do what is due, in due order."""

import asyncio
from datetime import timedelta
from typing import Final

import structlog

from service.clock.calendar import CalendarDue
from service.domain.causes import ClockDue
from service.domain.clocks.running import wake_at
from service.failpoints import failpoint
from service.ledger.escalations import schedules
from service.ledger.orders.locking import next_wake, postpone
from service.orders import Orders
from service.pacing import breathe, give_way
from service.runtime.loops import run_loop
from service.telemetry import metrics

log = structlog.get_logger(__name__)
BATCH: Final = 200
# In a row, before other things are looked at, such as the calendar and whether to stop.
BATCHES: Final = 10
LONGEST_SLEEP: Final = timedelta(seconds=5)
FORGET_EVERY: Final = timedelta(hours=1)
FLUSH_EVERY: Final = LONGEST_SLEEP
STUCK_RETRY: Final = timedelta(minutes=1)
OTHERS_HAVE_IT_S: Final = 0.05
# A commit wakes this loop for each clock that it starts: those of a moment are looked at together.
GATHER_S: Final = 0.05


class ClockLoop:
    """Decides about due orders. Any number may run, as due orders are claimed with SKIP LOCKED."""

    def __init__(
        self,
        orders: Orders,
        retention: timedelta | None = None,
        audit: timedelta | None = None,
        public_url: str = "",
    ) -> None:
        """`retention`: of people in ended orders; `audit`: of the audit log's lines. None keeps them.

        `public_url`: what links in mails begin with.
        """
        self._orders = orders
        self._calendar = CalendarDue(orders, retention, audit, public_url)
        self._forget_at = orders.time.now()
        self._flush_at = orders.time.now()
        self._digests_of: tuple[str, ...] = ()
        self._wake = orders.wakeups.subscribe("clock")
        # SQLite has one writer.
        self._lanes = 1 if orders.ledger.is_sqlite else 2

    async def run(self, stopping: asyncio.Event) -> None:
        """Run until `stopping`."""
        give_way()
        await run_loop("clock", self._round, stopping)

    async def _round(self) -> None:
        """Do what is due; if that was less than a batch, sleep until something is."""
        self._wake.clear()
        versions = tuple(p.workflow.version for p in self._orders.packs)
        if versions != self._digests_of:  # also after packs were reloaded
            await self._calendar.keep_digests()
            self._digests_of = versions
        now = self._orders.time.now()
        if now >= self._forget_at:
            busy = await self._calendar.forget_old() > 0
            self._forget_at = now + (timedelta(0) if busy else FORGET_EVERY)
        async with self._orders.ledger.reading() as tx:
            orders_due = await next_wake(tx) or now + LONGEST_SLEEP
            calendar_due = await schedules.next_due(tx) or now + LONGEST_SLEEP
        if calendar_due <= now or now >= self._flush_at:
            await self._calendar.fire_due()
            self._flush_at = now + FLUSH_EVERY
        if orders_due <= now:
            if not await self.catch_up():
                await asyncio.sleep(OTHERS_HAVE_IT_S)
        else:
            # With a limit, as a notification from another process may be missed.
            await self._orders.time.wait(self._wake, min(orders_due, calendar_due, now + LONGEST_SLEEP))
            if self._wake.is_set():
                await asyncio.sleep(GATHER_S)

    async def catch_up(self) -> int:
        """Decide for what is due now, as far as `BATCHES` go; how many. Raises what one of them raised.

        Of more than a batch two are under way: one is decided while the database writes the other.
        """
        fired = await self.fire_due()
        if fired < BATCH:
            return fired
        lanes = await asyncio.gather(*(self._fire_on() for _ in range(self._lanes)), return_exceptions=True)
        for lane in lanes:
            if isinstance(lane, BaseException):
                raise lane
            fired += lane
        return fired

    async def _fire_on(self) -> int:
        fired = 0
        for _ in range(BATCHES):
            fired += (found := await self.fire_due())
            if found < BATCH:
                break
        return fired

    async def fire_due(self) -> int:
        """Decide about every order that is due now, up to a batch; returns how many."""
        async with self._orders.unit_of_work(but=frozenset({"clock"})) as u:
            due = await u.lock_due(BATCH)
            stuck = []
            for order in due:
                await breathe()
                result = u.decide(order.ref, ClockDue(u.now))
                if result.outcome == "rejected":
                    log.error("clock.order_failed", order_id=order.reference, reason=result.reason)
                    stuck.append(order.id)
            await u.write()
            await postpone(u.tx, stuck, u.now + STUCK_RETRY)
            if due:
                failpoint("clock.before_commit")
        if due:
            failpoint("clock.after_commit")
        for order in due:
            if (moment := wake_at(order)) is not None:
                metrics.clock_lateness.observe(max(0.0, (u.now - moment).total_seconds()))
        return len(due)

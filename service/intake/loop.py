"""The intake loop of a queue: take a batch, commit, acknowledge."""

import asyncio
import time
from collections.abc import Callable, Hashable
from contextlib import nullcontext
from typing import Final

import structlog

from service.broker.port import INTAKE, Broker, BrokerLost, Delivery, QueueGone, Subscription, TooMuchHeld
from service.failpoints import failpoint
from service.intake.decoding import Incoming
from service.intake.intake import Intake
from service.intake.line import MOST_EVENTS, DeliveryQueue
from service.intake.room import Room
from service.pacing import breathe, give_way, stay_prompt, urgent
from service.runtime.backoff import Backoff

log = structlog.get_logger(__name__)

# The prefetch: within it a code overtakes everything else; in the broker it waits for all before it.
PREFETCH: Final = 6000
MOST_HELD_BYTES: Final = 32 * 1024 * 1024
# While events are so large that as many are too much to hold: at 256 KiB each, 50 MiB.
NARROW_PREFETCH: Final = 200
# Transactions of codes side by side: one that comes while another is decided need not wait for its commit.
CODES_AT_ONCE: Final = 3
WATCHDOG_S: Final = 600.0


class ConsumingLost(Exception):
    """Consuming could not be restored in time: the process ends, to be restarted, rather than look alive."""


class Consumer:
    """Consumes one queue. `sharing`: among how many the process shares what it may hold.

    `saw` hears of each event's order. `may_go`: it ends when the queue is no more. `took`: how many events came.
    `is_active`: it is the queue's active consumer for sure, as an event came since it subscribed.
    """

    def __init__(
        self,
        broker: Broker,
        intake: Intake,
        queue: str = INTAKE,
        sharing: int = 1,
        saw: Callable[[Hashable], None] | None = None,
        *,
        may_go: bool = False,
    ) -> None:
        self.queue = queue
        self.took = 0
        self.is_active = False
        self.is_over = False
        self._may_go = may_go
        self._broker = broker
        self._intake = intake
        self._saw = saw
        self._held = (max(NARROW_PREFETCH, PREFETCH // sharing), MOST_HELD_BYTES // sharing)
        self._now: _Consuming | None = None
        self._let_go = asyncio.Event()

    @property
    def is_consuming(self) -> bool:
        """Whether it has subscribed."""
        return self._now is not None

    @property
    def holds(self) -> bool:
        """Whether something waits here, or is being worked on."""
        return self._now is not None and not self._now.is_idle

    def let_go(self) -> None:
        """Hand the queue over to another process, and stand by."""
        self._let_go.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Consume until `stopping`; subscribes again after every loss. Raises ConsumingLost by the watchdog."""
        backoff, alive, narrow = Backoff(), time.monotonic(), False
        while not stopping.is_set():
            try:
                held = (NARROW_PREFETCH, None) if narrow else self._held
                subscription = await self._broker.subscribe(self.queue, *held)
                log.info("intake.consuming", queue=self.queue, at_once=held[0])
                backoff.reset()
                alive = time.monotonic()
                self._let_go.clear()
                self.is_active = False
                self._now = _Consuming(subscription, self._intake, self._note, narrow=narrow)
                await self._now.run(stopping, self._let_go)
                narrow = False
            except TooMuchHeld:
                narrow = True
            except BrokerLost as lost:
                if stopping.is_set():
                    return
                if self._may_go and isinstance(lost, QueueGone):
                    log.info("intake.queue_gone", queue=self.queue)
                    self.is_over = True
                    return
                if time.monotonic() - alive > WATCHDOG_S:
                    raise ConsumingLost(f"not consuming for {WATCHDOG_S:.0f} s: {lost}") from lost
                log.warning("intake.consumer_lost", queue=self.queue, error=str(lost), retry_in_s=backoff.pause_s)
                await backoff.wait()
            finally:
                self._now = None

    def _note(self, order: Hashable) -> None:
        self.took += 1
        self.is_active = True
        if self._saw is not None:
            self._saw(order)


class _Consuming:
    """One subscription: deliveries are queued, and codes and everything else are processed concurrently.

    So a code waits for no transaction of others. `narrow`: ends when nothing waits any more.
    """

    def __init__(
        self, subscription: Subscription, intake: Intake, note: Callable[[Hashable], None], *, narrow: bool
    ) -> None:
        self._subscription = subscription
        self._note = note
        self._intake = intake
        self._narrow = narrow
        self._line = DeliveryQueue()
        self._ending = asyncio.Event()
        self._wakes = {True: asyncio.Event(), False: asyncio.Event()}

    @property
    def is_idle(self) -> bool:
        """Nothing waits here, and nothing is being worked on."""
        return self._line.is_empty

    async def run(self, *stopping: asyncio.Event) -> None:
        """Until one of `stopping`; what is being worked on is ended and acknowledged. Raises BrokerLost."""
        receiving = asyncio.create_task(self._receive())
        ends = [asyncio.create_task(event.wait()) for event in (*stopping, self._ending)]
        working = [asyncio.create_task(self._work(codes=codes)) for codes in (*[True] * CODES_AT_ONCE, False)]
        try:
            await asyncio.wait([receiving, *working, *ends], return_when=asyncio.FIRST_COMPLETED)
            self._end()
            receiving.cancel()
            for found in await asyncio.gather(*working, receiving, return_exceptions=True):
                if isinstance(found, Exception):
                    raise found
        finally:
            tasks = [receiving, *working, *ends]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._subscription.close()

    async def _receive(self) -> None:
        stay_prompt()
        while True:
            for delivery in await self._subscription.batch(MOST_EVENTS):
                placed = self._intake.placed(delivery, incoming(delivery))
                self._note(placed.order)
                self._line.put(placed)
                self._wake()
                await breathe()
            # What is there already is handed over without a pause, and a flood is there for long.
            await asyncio.sleep(0)

    async def _work(self, *, codes: bool) -> None:
        (stay_prompt if codes else give_way)()
        wake = self._wakes[codes]
        room = Room(self._intake.sooner)
        while not self._ending.is_set():
            most = MOST_EVENTS if codes or not self._line.orders else await room.wait(self._line.orders)
            part = self._line.take(codes=codes, most=most)
            if not part:
                wake.clear()
                await wake.wait()
                continue
            deliveries = [w.delivery for w in part]
            with urgent() if codes else nullcontext():
                await self._intake.take_until_committed([incoming(d) for d in deliveries])
            failpoint("intake.before_ack")
            await self._subscription.ack(deliveries)
            self._line.done(part)
            self._wake()
            if self._narrow and self._line.is_empty:
                self._end()

    def _wake(self) -> None:
        for wake in self._wakes.values():
            wake.set()

    def _end(self) -> None:
        self._ending.set()
        self._wake()


def incoming(delivery: Delivery) -> Incoming:
    """A delivery as intake reads it."""
    return Incoming(
        body=delivery.body,
        content_type=delivery.content_type,
        content_encoding=delivery.content_encoding,
        headers=delivery.headers,
        routing_key=delivery.routing_key,
        message_id=delivery.message_id,
        redelivered=delivery.redelivered,
    )

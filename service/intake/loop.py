"""The intake loop: what is next in line, as one batch; commit; acknowledge."""

import asyncio
import time
from contextlib import nullcontext
from typing import Final

import structlog

from service.broker.port import INTAKE, Broker, BrokerLost, Delivery, Subscription, TooMuchHeld
from service.failpoints import failpoint
from service.intake.decoding import Incoming
from service.intake.intake import Intake
from service.intake.line import MOST_EVENTS, Line
from service.pacing import breathe, give_way, stay_prompt, urgent
from service.runtime.backoff import Backoff

log = structlog.get_logger(__name__)

# As far as intake sees: a code waits for nothing of others within this, and in the broker for all that is before it.
PREFETCH: Final = 6000
MOST_HELD_BYTES: Final = 32 * 1024 * 1024
# While events are so large that as many are too much to hold: at 256 KiB each, 50 MiB.
NARROW_PREFETCH: Final = 200
# Transactions of codes side by side: one that comes while another is decided need not wait for its commit.
CODES_AT_ONCE: Final = 3
WATCHDOG_S: Final = 600.0


class ConsumingLost(Exception):
    """Consuming did not come back in time: better to end and be started anew than to look alive."""


async def run(broker: Broker, intake: Intake, stopping: asyncio.Event) -> None:
    """Consume until `stopping`; subscribes again after every loss. Raises ConsumingLost by the watchdog."""
    backoff, alive, narrow = Backoff(), time.monotonic(), False
    while not stopping.is_set():
        try:
            held = (NARROW_PREFETCH, None) if narrow else (PREFETCH, MOST_HELD_BYTES)
            subscription = await broker.subscribe(INTAKE, *held)
            log.info("intake.consuming", queue=INTAKE, at_once=held[0])
            backoff.reset()
            alive = time.monotonic()
            await _Consuming(subscription, intake, narrow=narrow).run(stopping)
            narrow = False
        except TooMuchHeld:
            narrow = True
        except BrokerLost as lost:
            if stopping.is_set():
                return
            if time.monotonic() - alive > WATCHDOG_S:
                raise ConsumingLost(f"not consuming for {WATCHDOG_S:.0f} s: {lost}") from lost
            log.warning("intake.lost", error=str(lost), retry_in_s=backoff.pause_s)
            await backoff.wait()


class _Consuming:
    """One subscription: deliveries come into line; codes and everything else are taken from it side by side.

    So a code waits for no transaction of others. `narrow`: ends when nothing waits any more.
    """

    def __init__(self, subscription: Subscription, intake: Intake, *, narrow: bool) -> None:
        self._subscription = subscription
        self._intake = intake
        self._narrow = narrow
        self._line = Line()
        self._ending = asyncio.Event()
        self._wakes = {True: asyncio.Event(), False: asyncio.Event()}

    async def run(self, stopping: asyncio.Event) -> None:
        """Until `stopping`; what is being worked on is ended and acknowledged. Raises BrokerLost."""
        receiving = asyncio.create_task(self._receive())
        ends = [asyncio.create_task(event.wait()) for event in (stopping, self._ending)]
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
                self._line.put(self._intake.placed(delivery, incoming(delivery)))
                self._wake()
                await breathe()
            # What is there already is handed over without a pause, and a flood is there for long.
            await asyncio.sleep(0)

    async def _work(self, *, codes: bool) -> None:
        (stay_prompt if codes else give_way)()
        wake = self._wakes[codes]
        while not self._ending.is_set():
            part = self._line.take(codes=codes)
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

"""The intake loop: whatever waits in the queue, as one batch; commit; acknowledge."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import Final

import structlog

from service.broker.port import INTAKE, Broker, BrokerLost, Delivery, Subscription
from service.failpoints import passing
from service.intake.intake import Intake
from service.intake.reading import Incoming

log = structlog.get_logger(__name__)

BATCH: Final = 100
PREFETCH: Final = 200
# A hundred events of the usual size, about a kilobyte.
MOST_BYTES: Final = 128 * 1024
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 5.0
WATCHDOG_S: Final = 600.0


class ConsumingLost(Exception):
    """Consuming did not come back in time: better to end and be started anew than to look alive."""


async def run(broker: Broker, intake: Intake, stopping: asyncio.Event) -> None:
    """Consume until `stopping`; subscribes again after every loss. Raises ConsumingLost by the watchdog."""
    pause, alive = FIRST_PAUSE_S, time.monotonic()
    while not stopping.is_set():
        try:
            subscription = await broker.subscribe(INTAKE, PREFETCH)
            log.info("intake.consuming", queue=INTAKE)
            pause, alive = FIRST_PAUSE_S, time.monotonic()
            await _consume(subscription, intake, stopping)
        except BrokerLost as lost:
            if stopping.is_set():
                return
            if time.monotonic() - alive > WATCHDOG_S:
                raise ConsumingLost(f"not consuming for {WATCHDOG_S:.0f} s: {lost}") from lost
            log.warning("intake.lost", error=str(lost), retry_in_s=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)


async def _consume(subscription: Subscription, intake: Intake, stopping: asyncio.Event) -> None:
    stop = asyncio.ensure_future(stopping.wait())
    try:
        while not stopping.is_set():
            taking = asyncio.ensure_future(subscription.batch(BATCH))
            await asyncio.wait([taking, stop], return_when=asyncio.FIRST_COMPLETED)
            if not taking.done():
                taking.cancel()
                return
            for deliveries in in_parts(taking.result()):
                await intake.take_patiently([incoming(d) for d in deliveries])
                passing("intake.before_ack")
                await subscription.ack(deliveries)
    finally:
        stop.cancel()
        await subscription.close()


def in_parts(deliveries: Sequence[Delivery]) -> Iterator[list[Delivery]]:
    """In order, at most so many bytes at once; whatever is larger goes alone.

    Events that name many people plan many messages each: behind a hundred of them in one transaction everybody else's
    event would wait for all.
    """
    part: list[Delivery] = []
    size = 0
    for delivery in deliveries:
        if part and size + len(delivery.body) > MOST_BYTES:
            yield part
            part, size = [], 0
        part.append(delivery)
        size += len(delivery.body)
    if part:
        yield part


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

"""The relay loop: publish what the outbox holds, wait for the confirms, then forget it. At least once."""

import asyncio
from datetime import timedelta
from typing import Final

import structlog

from service.broker.port import Broker, Message
from service.core import Core
from service.ledger import outbox
from service.ledger.engine import is_transient
from service.telemetry import metrics

log = structlog.get_logger(__name__)
BATCH: Final = 200
POLL: Final = timedelta(seconds=1)
PAUSE_S: Final = 1.0


class Relay:
    """Publishes the outbox; several may run, each with its own lease on what it publishes."""

    def __init__(self, core: Core, broker: Broker) -> None:
        self._core = core
        self._broker = broker
        self._wake = core.wakeups.subscribe("relay")

    async def run(self, stopping: asyncio.Event) -> None:
        """Publish until `stopping`, then once more, so that nothing stays that can go."""
        while not stopping.is_set():
            try:
                self._wake.clear()
                if await self.publish_waiting() < BATCH:
                    await self._core.time.wait(self._wake, self._core.time.now() + POLL)
            except Exception as error:
                if not is_transient(error):
                    log.exception("relay.failed")
                else:
                    log.warning("relay.ledger_away", error=type(error).__name__)
                await asyncio.sleep(PAUSE_S)
        await self.publish_waiting()

    async def publish_waiting(self) -> int:
        """One batch; how many were published."""
        async with self._core.ledger.transaction() as connection:
            claimed = await outbox.claim(connection, self._core.time.now(), BATCH)
        if not claimed:
            return 0
        messages = [
            Message(m.exchange, m.routing_key, m.body, m.message_id, m.content_type or None, m.headers) for m in claimed
        ]
        confirmed = await self._broker.publish(messages)
        done = [m.id for m, ok in zip(claimed, confirmed, strict=True) if ok and m.id]
        left = [m.id for m, ok in zip(claimed, confirmed, strict=True) if not ok and m.id]
        async with self._core.ledger.transaction() as connection:
            await outbox.done(connection, done)
            await outbox.release(connection, left)
        if left:
            await asyncio.sleep(PAUSE_S)
        metrics.relayed.inc(len(done))
        return len(done)

"""The relay loop: send what the outbox holds, wait for the yes, then forget it. At least once, stable ids.

The broker takes what is addressed to an exchange; teams and report mails have transports of their own.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final, Protocol

import structlog

from service.broker.port import Broker, Message
from service.core import Core
from service.failpoints import passing
from service.ledger import outbox
from service.ledger.engine import is_transient
from service.ledger.outbox import Outgoing
from service.telemetry import metrics

log = structlog.get_logger(__name__)
BATCH: Final = 200
POLL: Final = timedelta(seconds=1)
PAUSE_S: Final = 1.0
# News comes in bursts; a moment's worth leaves together.
GATHER_S: Final = 0.02
FIRST_RETRY: Final = timedelta(seconds=2)
LONGEST_RETRY: Final = timedelta(minutes=5)
# The broker's messages are kept for ever; a call to a team is of no use after a day.
GIVE_UP_AFTER: Final = timedelta(hours=24)


class Transport(Protocol):
    """A way out that is not the broker."""

    async def send(self, message: Outgoing) -> bool:
        """Whether it arrived; raises nothing for what the other side does."""
        ...


class Relay:
    """Empties the outbox; several may run, each with its own lease on what it sends."""

    def __init__(self, core: Core, broker: Broker, transports: Mapping[str, Transport] | None = None) -> None:
        self._core = core
        self._broker = broker
        self._transports = transports or {}
        self._wake = core.wakeups.subscribe("relay")

    async def run(self, stopping: asyncio.Event) -> None:
        """Send until `stopping`, then once more, so that nothing stays that can go."""
        while not stopping.is_set():
            try:
                self._wake.clear()
                if await self.publish_waiting() < BATCH:
                    await self._core.time.wait(self._wake, self._core.time.now() + POLL)
                    await asyncio.sleep(GATHER_S)
            except Exception as error:
                if not is_transient(error):
                    log.exception("relay.failed")
                else:
                    log.warning("relay.ledger_away", error=type(error).__name__)
                await asyncio.sleep(PAUSE_S)
        await self.publish_waiting()

    async def publish_waiting(self) -> int:
        """One batch; how many arrived."""
        claimed = await self._claim()
        if not claimed:
            return 0
        passing("relay.before_publish")
        arrived = await self._send(claimed)
        passing("relay.before_done")
        done = [m for m, ok in zip(claimed, arrived, strict=True) if ok]
        left = [m for m, ok in zip(claimed, arrived, strict=True) if not ok]
        await self._settle(done, left)
        passing("relay.after_done")
        if any(m.exchange not in self._transports for m in left):
            await asyncio.sleep(PAUSE_S)
        metrics.relayed.inc(len(done))
        return len(done)

    async def _claim(self) -> list[Outgoing]:
        """What waits, leased; where the database broke off at the commit, what it leased to us after all."""
        now = self._core.time.now()
        claimed: list[Outgoing] = []
        try:
            async with self._core.ledger.transaction() as connection:
                claimed += await outbox.claim(connection, now, BATCH)
            return claimed
        except Exception as error:
            if not is_transient(error) or not claimed:
                raise
        async with self._core.ledger.reading() as connection:
            ours = await outbox.leased_until(connection, [m.id for m in claimed if m.id], now + outbox.LEASE)
        return [m for m in claimed if m.id in ours]

    async def _send(self, claimed: Sequence[Outgoing]) -> list[bool]:
        for_broker = [m for m in claimed if m.exchange not in self._transports]
        others = [m for m in claimed if m.exchange in self._transports]
        confirmed, answers = await asyncio.gather(
            self._broker.publish([_message(m) for m in for_broker]) if for_broker else _nothing(),
            asyncio.gather(*(self._transports[m.exchange].send(m) for m in others)),
        )
        by_id = {m.id: ok for m, ok in zip((*for_broker, *others), (*confirmed, *answers), strict=True)}
        return [by_id[m.id] for m in claimed]

    async def _settle(self, done: Sequence[Outgoing], left: Sequence[Outgoing]) -> None:
        now = self._core.time.now()
        finished = [m.id for m in done if m.id]
        later: dict[timedelta, list[Outgoing]] = defaultdict(list)
        for m in left:
            if m.exchange in self._transports and m.created and now - m.created > GIVE_UP_AFTER:
                log.error("relay.given_up", exchange=m.exchange, routing_key=m.routing_key, attempts=m.attempts)
                metrics.relay_given_up.labels(m.exchange).inc()
                finished += [m.id] if m.id else []
            else:
                later[self._pause(m)].append(m)
        async with self._core.ledger.transaction() as connection:
            await outbox.done(connection, finished)
            for pause, messages in later.items():
                await outbox.release(connection, [m.id for m in messages if m.id], now + pause)

    def _pause(self, message: Outgoing) -> timedelta:
        if message.exchange not in self._transports:
            return timedelta(0)
        doubled: timedelta = min(FIRST_RETRY * 2 ** min(message.attempts, 10), LONGEST_RETRY)
        spread: timedelta = doubled * (0.5 + random.random() / 2)  # noqa: S311 - spreads retries
        return spread


def _message(m: Outgoing) -> Message:
    return Message(m.exchange, m.routing_key, m.body, m.message_id, m.content_type or None, m.headers)


async def _nothing() -> list[bool]:
    return []

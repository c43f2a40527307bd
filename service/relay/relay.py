"""The relay loop: send what is in the outbox, wait for the confirm, then delete it. At least once, with stable ids.

Messages to an exchange go to the broker; calls to teams and report mails have transports of their own.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Final, Protocol

import structlog

from service.broker.port import Broker, BrokerMessage, Destination, destination_of
from service.failpoints import failpoint
from service.ledger.database.faults import is_transient
from service.ledger.messages import outbox
from service.ledger.messages.outbox import OutboxMessage
from service.orders import Orders
from service.pacing import give_way
from service.runtime.loops import PAUSE_S, log_failure, run_loop
from service.telemetry import metrics

log = structlog.get_logger(__name__)
BATCH: Final = 200
POLL: Final = timedelta(seconds=1)
# Outbox messages come in bursts, which are gathered for a moment: each claim costs two transactions, however few it is
# for, and consumers of outcomes wait for nothing within it.
GATHER_S: Final = 0.05
FIRST_RETRY: Final = timedelta(seconds=2)
LONGEST_RETRY: Final = timedelta(minutes=5)
# Messages to the broker are kept indefinitely; a call to a team is useless after a day.
GIVE_UP_AFTER: Final = timedelta(hours=24)


class Transport(Protocol):
    """A transport other than the broker."""

    async def send(self, message: OutboxMessage) -> bool:
        """Whether it was delivered; raises nothing for failures of the other side."""
        ...


class Relay:
    """Empties the outbox, each transport by itself, so that a blocked one delays no other.

    Several relays may run, each with its own lease on what it sends.
    """

    def __init__(self, orders: Orders, broker: Broker, transports: Mapping[str, Transport] | None = None) -> None:
        self._orders = orders
        self._broker = broker
        self._transports = transports or {}
        self._wake = orders.wakeups.subscribe("relay")
        self._busy: dict[Destination, asyncio.Task[int]] = {}
        # Destinations that were busy when the outbox was last looked at: more may wait for them.
        self._passed_over: set[Destination] = set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Send until `stopping`, then once more, so that as little as possible is left."""
        give_way()
        await run_loop("relay", partial(self._turn, stopping), stopping)
        await asyncio.gather(*self._busy.values())
        await self.publish_waiting()

    async def _turn(self, stopping: asyncio.Event) -> None:
        self._wake.clear()
        claimed = await self._claim()
        self._begin(claimed)
        if len(claimed) < BATCH:
            await self._rest(stopping)
            await asyncio.sleep(GATHER_S)

    async def _rest(self, stopping: asyncio.Event) -> None:
        """Until there may be something to send: new, or, at a look about once a second, another's or due again."""
        while not stopping.is_set():
            await self._orders.time.wait(self._wake, self._orders.time.now() + POLL)
            if self._wake.is_set() or stopping.is_set() or await self._is_any_waiting():
                return

    async def _is_any_waiting(self) -> bool:
        now = self._orders.time.now()
        # What waits for a busy destination is looked for when that is free.
        self._passed_over |= self._busy.keys()
        async with self._orders.ledger.reading() as tx:
            return await outbox.is_any_waiting(tx, now, but=self._busy)

    async def publish_waiting(self) -> int:
        """Send what is not being sent yet, and wait for the results; returns how many were delivered."""
        return sum(await asyncio.gather(*self._begin(await self._claim())))

    def _begin(self, claimed: Sequence[OutboxMessage]) -> list[asyncio.Task[int]]:
        """Begin to send one batch."""
        by_destination: dict[Destination, list[OutboxMessage]] = defaultdict(list)
        for m in claimed:
            by_destination[destination_of(m.exchange, m.routing_key)].append(m)
        for destination, messages in by_destination.items():
            self._busy[destination] = asyncio.create_task(self._send_surely(messages))
            self._busy[destination].add_done_callback(partial(self._ended, destination, messages))
        return [self._busy[destination] for destination in by_destination]

    def _ended(self, destination: Destination, messages: Sequence[OutboxMessage], task: asyncio.Task[int]) -> None:
        """Look again where something may have waited for this, or has to be sent once more."""
        del self._busy[destination]
        is_whole = not task.cancelled() and task.result() == len(messages)
        if destination in self._passed_over or not is_whole or any(m.lane for m in messages):
            self._wake.set()
        self._passed_over.discard(destination)

    async def _send_surely(self, messages: Sequence[OutboxMessage]) -> int:
        """As `_send`; errors are logged, and the messages wait for their lease to end."""
        try:
            return await self._send(messages)
        except Exception as error:
            log_failure("relay", error)
            await asyncio.sleep(PAUSE_S)
            return 0

    async def _send(self, messages: Sequence[OutboxMessage]) -> int:
        """Send the messages of one destination; returns how many arrived."""
        failpoint("relay.before_publish")
        transport = self._transports.get(messages[0].exchange)
        if transport:
            arrived = await asyncio.gather(*(transport.send(m) for m in messages))
        else:
            arrived = await self._broker.publish([_message(m) for m in messages])
        failpoint("relay.before_done")
        done = [m for m, ok in zip(messages, arrived, strict=True) if ok]
        left = [m for m, ok in zip(messages, arrived, strict=True) if not ok]
        await self._settle(done, left)
        failpoint("relay.after_done")
        metrics.relayed.inc(len(done))
        if left and not transport:
            await asyncio.sleep(PAUSE_S)
        return len(done)

    async def _claim(self) -> list[OutboxMessage]:
        """Waiting messages, leased; if the connection broke at the commit, those that it leased to us nevertheless."""
        now = self._orders.time.now()
        self._passed_over |= self._busy.keys()
        claimed: list[OutboxMessage] = []
        try:
            async with self._orders.ledger.transaction() as tx:
                claimed += await outbox.claim(tx, now, BATCH, but=self._busy)
            return claimed
        except Exception as error:
            if not is_transient(error) or not claimed:
                raise
        async with self._orders.ledger.reading() as tx:
            ours = await outbox.leased_until(tx, [m.id for m in claimed if m.id], now + outbox.LEASE)
        return [m for m in claimed if m.id in ours]

    async def _settle(self, done: Sequence[OutboxMessage], left: Sequence[OutboxMessage]) -> None:
        now = self._orders.time.now()
        # Of one batch some may have been delivered and others not.
        kept = {m.id for m in left}
        broken = kept & {m.id for m in done}
        finished = list(dict.fromkeys(m.id for m in done if m.id and m.id not in kept))
        later: dict[timedelta, list[OutboxMessage]] = defaultdict(list)
        for m in left:
            if m.exchange in self._transports and m.created and now - m.created > GIVE_UP_AFTER:
                log.error("relay.message_dropped", exchange=m.exchange, routing_key=m.routing_key, attempts=m.attempts)
                metrics.relay_given_up.labels(m.exchange).inc()
                finished += [m.id] if m.id else []
            else:
                later[self._pause(m)].append(m)
        async with self._orders.ledger.transaction() as tx:
            await outbox.done(tx, finished)
            for row in filter(None, broken):
                await outbox.keep(tx, row, (m for m in left if m.id == row))
            for pause, messages in later.items():
                await outbox.release(tx, dict.fromkeys(m.id for m in messages if m.id), now + pause)

    def _pause(self, message: OutboxMessage) -> timedelta:
        if message.exchange not in self._transports:
            return timedelta(0)
        doubled: timedelta = min(FIRST_RETRY * 2 ** min(message.attempts, 10), LONGEST_RETRY)
        spread: timedelta = doubled * (0.5 + random.random() / 2)  # noqa: S311 - spreads retries
        return spread


def _message(m: OutboxMessage) -> BrokerMessage:
    return BrokerMessage(m.exchange, m.routing_key, m.body, m.message_id, m.content_type or None, m.headers)

"""RabbitMQ through aio-pika.

We handle recovery instead of the client's robust mode: a lost connection, a closed channel and a consumer
cancelled by the broker all raise BrokerLost, and the caller declares and subscribes again. Each call has a
timeout; publishing waits for the broker's confirm.
"""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final

import aiormq
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.abc import AbstractChannel as RawChannel
from aiormq.channel import Channel

from service.addresses import broker_urls
from service.broker.listening import Listening
from service.broker.port import (
    DEAD,
    ESCALATIONS,
    INTAKE,
    ORDERS,
    BrokerLost,
    BrokerMessage,
    Destination,
    HeldMessages,
    Partitioning,
    PartitionsHeld,
    QueueGone,
    destination_of,
)
from service.broker.rabbitmq_partitions import Partitions
from service.broker.rabbitmq_publishing import publish_together
from service.broker.rabbitmq_queues import CALL_TIMEOUT_S, LOST, RabbitHeldMessages, RabbitSubscription, quietly_close
from service.broker.rabbitmq_topology import Nodes, as_lost, declare, open_channel, open_consuming
from service.pacing import breathe

log = structlog.get_logger(__name__)

PUBLISH_TIMEOUT_S: Final = 10.0
PUBLISH_AT_ONCE: Final = 25
# Exchanges that have a queue of ours: their messages count as published only when routed to it.
NEEDS_A_QUEUE: Final = frozenset({DEAD, ESCALATIONS, ORDERS})
UNROUTED: Final = "no queue takes it"
# The broker closes the channel over this error (AMQP 0-9-1, "not-found").
NO_EXCHANGE: Final = aiormq.exceptions.ChannelNotFoundEntity.__name__


class RabbitBroker:
    """One connection for consuming and one for publishing: a blocked publisher does not stop the consumer."""

    def __init__(self, url: str, partitions: int = 1) -> None:
        """`partitions`: the configured number of intake queues."""
        self._nodes = Nodes(broker_urls(url))
        self._partitions = Partitions(partitions)
        self._subscribing = asyncio.Lock()
        self._consuming: AbstractConnection | None = None
        self._publishing: AbstractConnection | None = None
        self._publisher: AbstractChannel | None = None
        self._lines: dict[Destination, AbstractChannel] = {}
        self._confirmed_at = 0.0
        self._teams: tuple[str, ...] = ()
        self._lock = asyncio.Lock()
        self._listening = Listening()

    @property
    def connected(self) -> bool:
        """Whether the publishing channel is open."""
        return self._publisher is not None and not self._publisher.is_closed

    async def connect(self, teams: Iterable[str]) -> None:
        """Connect and declare the topology, again if there are new teams; raises BrokerLost, BrokerRefused."""
        added = set(teams := tuple(teams)) - set(self._teams)
        self._teams = teams
        async with self._lock:
            if added and self.connected and self._publishing is not None:
                try:
                    await quietly_close(await declare(self._publishing, self._teams))
                except LOST as error:
                    raise as_lost(error) from error
            await self._ensure_publisher()

    async def _ensure_publisher(self) -> None:
        if self.connected:
            return
        try:
            async with asyncio.timeout(self._nodes.patience_s):
                await quietly_close(self._publishing)
                self._publishing = await self._nodes.open()
                channel = await declare(self._publishing, self._teams)
                await self._partitions.ensure(self._publishing)
                self._publisher, self._lines = channel, {}
        except LOST as error:
            raise as_lost(error) from error

    async def subscribe(self, queue: str, prefetch: int, most_bytes: int | None = None) -> "RabbitSubscription":
        """Declare again and start consuming; raises BrokerLost. Batches raise TooMuchHeld above `most_bytes`."""
        async with self._for_consuming() as connection:
            await self._partitions.ensure(connection, queue if queue.startswith(INTAKE) else INTAKE)
            subscription = RabbitSubscription(await open_consuming(connection), most_bytes)
            await subscription.start(queue, prefetch)
            return subscription

    @contextlib.asynccontextmanager
    async def _for_consuming(self) -> AsyncIterator[AbstractConnection]:
        """The connection for consuming, one caller at a time, with the topology declared; dropped on failure."""
        async with self._subscribing:
            try:
                async with asyncio.timeout(self._nodes.patience_s):
                    if self._consuming is None or self._consuming.is_closed:
                        self._consuming = await self._nodes.open()
                    await quietly_close(await declare(self._consuming, self._teams))
                    yield self._consuming
            except (PartitionsHeld, QueueGone):
                raise  # the connection works: its consumers go on
            except (*LOST, BrokerLost) as error:
                await quietly_close(self._consuming)
                self._consuming = None
                raise as_lost(error) from error

    async def arrange_partitions(self) -> Partitioning:
        """Declare intake's queues and bindings as configured; raises BrokerLost, BrokerRefused."""
        async with self._for_consuming() as connection:
            return await self._partitions.arrange(connection)

    async def sharing(self) -> int:
        """The number of processes that share intake's partitions; raises BrokerLost."""
        if self._consuming is None:
            raise BrokerLost("not consuming")
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                return await self._partitions.sharing(self._consuming)
        except LOST as error:
            raise as_lost(error) from error

    async def settle_partitions(self) -> None:
        """Let others change the partitions. If the broker cannot be reached, losing the connection does the same."""
        with contextlib.suppress(*LOST):
            await self._partitions.settled()

    async def publish(self, messages: Sequence[BrokerMessage]) -> list[bool]:
        """Publish all concurrently; returns whether each was confirmed in time."""
        try:
            async with self._lock:
                await self._ensure_publisher()
        except BrokerLost as error:
            log.warning("broker.unavailable", error=str(error))
            return [False] * len(messages)
        publisher, began = self._publisher, time.monotonic()
        lines: dict[Destination, list[int]] = defaultdict(list)
        for i, message in enumerate(messages):
            lines[destination_of(message.exchange, message.routing_key)].append(i)
        sent = await asyncio.gather(*(self._publish_line(n, [messages[i] for i in of]) for n, of in lines.items()))
        confirmed = [False] * len(messages)
        for of, oks in zip(lines.values(), sent, strict=True):
            for i, ok in zip(of, oks, strict=True):
                confirmed[i] = ok
        if messages and self._confirmed_at < began:
            await self._give_up(publisher)
        return confirmed

    async def _publish_line(self, destination: Destination, messages: Sequence[BrokerMessage]) -> list[bool]:
        """Publish to one destination on a channel of its own: a queue that accepts nothing blocks no other."""
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT_S):
                channel = await self._line(destination)
                lean = await channel.get_underlay_channel()
        except LOST as error:
            log.warning("broker.channel_failed", error=type(error).__name__)
            return [False] * len(messages)
        errors: list[str] = []
        for first in range(0, len(messages), PUBLISH_AT_ONCE):
            await breathe()
            part = messages[first : first + PUBLISH_AT_ONCE]
            errors += await self._publish_part(lean, destination, part)
        if not all(errors):
            self._confirmed_at = time.monotonic()
        if UNROUTED in errors:
            # All of these have one destination. Of several with the same id the client knows only the last return.
            errors = [UNROUTED] * len(errors)
        if UNROUTED in errors or NO_EXCHANGE in errors:
            await self._make_again(destination)
        if any(errors):
            unconfirmed = [error for error in errors if error]
            log.warning("broker.unconfirmed", destination=destination, count=len(unconfirmed), error=unconfirmed[0])
            if self._lines.pop(destination, None) is not None:
                await quietly_close(channel)
        return [not error for error in errors]

    async def _line(self, destination: Destination) -> AbstractChannel:
        channel = self._lines.get(destination)
        if channel is None or channel.is_closed:
            if self._publishing is None:
                raise ConnectionError("not connected")
            channel = await open_channel(self._publishing, confirms=True)
            self._lines[destination] = channel
        return channel

    async def _give_up(self, publisher: AbstractChannel | None) -> None:
        """Use a new connection for the next publish: one that confirms nothing can look open indefinitely."""
        async with self._lock:
            if self._publisher is publisher:
                self._publisher = None
                await quietly_close(self._publishing)

    async def _make_again(self, destination: Destination) -> None:
        """Declare exchanges, queues and bindings that were deleted again, for the next attempt."""
        exchange, key = destination
        teams = [*self._teams, *([key.partition(".")[2]] if exchange == ESCALATIONS else [])]
        try:
            async with self._lock, asyncio.timeout(self._nodes.patience_s):
                if self._publishing is not None:
                    await quietly_close(await declare(self._publishing, [*dict.fromkeys(teams)]))
                    await self._partitions.ensure(self._publishing)
        except (*LOST, BrokerLost) as error:
            log.error("broker.declare_failed", destination=destination, error=str(as_lost(error)))

    async def _publish_part(
        self, channel: RawChannel, destination: Destination, part: Sequence[BrokerMessage]
    ) -> list[str]:
        """By message, why it was not confirmed, else empty. Bypasses aio-pika's channel, which costs a third."""
        must = destination[0] in NEEDS_A_QUEUE
        mandatory = [must or self._listening.asks(destination) for _ in part]
        assert isinstance(channel, Channel)
        published = await publish_together(channel, part, mandatory, PUBLISH_TIMEOUT_S)
        for is_mandatory, one in zip(mandatory, published, strict=True):
            if is_mandatory and not must and not one.error:
                self._listening.record(destination, is_heard=not one.is_returned)
        return [one.error or (UNROUTED if must and one.is_returned else "") for one in published]

    async def depth(self, queue: str) -> int:
        """The number of waiting messages; raises BrokerLost."""
        async with self._lock:
            await self._ensure_publisher()
        assert self._publisher is not None
        try:
            declared = await self._publisher.declare_queue(queue, passive=True, timeout=CALL_TIMEOUT_S)
        except LOST as error:
            raise as_lost(error) from error
        return declared.declaration_result.message_count or 0

    async def take(self, queue: str, limit: int) -> HeldMessages:
        """Hold the first messages of `queue` in a channel of their own; raises BrokerLost."""
        async with self._lock:
            await self._ensure_publisher()
        assert self._publishing is not None
        try:
            channel = await open_channel(self._publishing, confirms=False)
            taken = RabbitHeldMessages(await channel.get_underlay_channel(), queue)
            await taken.hold(limit)
            return taken
        except LOST as error:
            raise as_lost(error) from error

    async def close(self) -> None:
        """Disconnect."""
        for connection in (self._consuming, self._publishing):
            await quietly_close(connection)

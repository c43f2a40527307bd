"""Deliveries from RabbitMQ: a buffer that the intake loop drains, and messages held for inspection."""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import aio_pika
import aiormq
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.abc import AbstractChannel as RawChannel
from aiormq.abc import DeliveredMessage
from pamqp.exceptions import PAMQPException

from service.broker.port import BrokerLost, Delivery, TooMuchHeld

CALL_TIMEOUT_S: Final = 10.0
COMMANDS_AT_ONCE: Final = 8
# AMQP 0-9-1: `prefetch-count` is a short (16 bits).
MOST_PREFETCHED: Final = 65_535
SILENCE_S: Final = 0.1
# aiormq raises StopAsyncIteration if the server closes during the handshake.
LOST: Final = (OSError, EOFError, TimeoutError, aiormq.exceptions.AMQPError, aio_pika.exceptions.AMQPError,
                PAMQPException, RuntimeError, StopAsyncIteration)  # fmt: skip


class RabbitSubscription:
    """Buffers deliveries as they arrive; the intake loop takes all that are ready."""

    def __init__(self, channel: RawChannel, most_bytes: int | None = None) -> None:
        self._channel = channel
        self._most_bytes = most_bytes
        self._line: asyncio.Queue[DeliveredMessage | None] = asyncio.Queue()
        # Sizes of unacknowledged messages by delivery tag; tags increase, so the first is the oldest.
        self._held: OrderedDict[int, int] = OrderedDict()
        self._held_bytes = 0
        self._newest = 0
        self._lost: BrokerLost | None = None

    async def start(self, queue: str, prefetch: int) -> None:
        """Consume `queue` with manual acknowledgement."""
        await self._channel.basic_qos(prefetch_count=prefetch, timeout=CALL_TIMEOUT_S)
        self._channel.on_consumer_cancel_callbacks.add(self._on_cancelled)
        self._channel.closing.add_done_callback(self._on_closed)
        await self._channel.basic_consume(queue, self._on_message, no_ack=False, timeout=CALL_TIMEOUT_S)

    async def _on_message(self, message: DeliveredMessage) -> None:
        if self._lost is not None:
            return  # it is returned when the channel is closed
        tag, size = message.delivery_tag or 0, len(message.body)
        self._newest = tag
        self._held[tag] = size
        self._held_bytes += size
        self._line.put_nowait(message)
        if self._most_bytes is not None and self._held_bytes > self._most_bytes:
            self._end(TooMuchHeld(f"{len(self._held)} messages of {self._held_bytes} bytes"))

    def _on_cancelled(self, *_: Any) -> None:
        self._end(BrokerLost("the broker cancelled the consumer"))

    def _on_closed(self, *_: Any) -> None:
        self._end(BrokerLost("the channel was closed"))

    def _end(self, why: BrokerLost) -> None:
        self._lost = self._lost or why
        self._line.put_nowait(None)

    async def batch(self, limit: int) -> list[Delivery]:
        """Wait for one message, then take all that are ready; raises BrokerLost."""
        taken = [await self._line.get()]
        while len(taken) < limit and not self._line.empty():
            taken.append(self._line.get_nowait())
        if self._lost is not None:
            raise self._lost
        return [_delivery(m) for m in taken if m is not None]

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge these messages: the oldest without gaps in one frame, others one by one. Raises BrokerLost."""
        for d in deliveries:
            self._held_bytes -= self._held.pop(d.tag, 0)
        oldest_left = next(iter(self._held), self._newest + 1)
        up_to = max((d.tag for d in deliveries if d.tag < oldest_left), default=0)
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                # Without waiting for each write: acknowledging a hundred would take as many turns of the event loop.
                if up_to:
                    await self._channel.basic_ack(up_to, multiple=True, wait=False)
                for tag in (d.tag for d in deliveries if d.tag > oldest_left):
                    await self._channel.basic_ack(tag, wait=False)
        except LOST as error:
            raise BrokerLost(f"{type(error).__name__}") from error

    async def close(self) -> None:
        """Stop consuming and return unacknowledged messages."""
        self._end(BrokerLost("closed"))
        await quietly_close(self._channel)


class RabbitHeldMessages:
    """Messages held by a channel; closing it returns them."""

    def __init__(self, channel: RawChannel, queue: str) -> None:
        self._channel = channel
        self._queue = queue
        self._left: set[int] = set()
        self._unsure = 0
        self.deliveries: list[Delivery] = []

    async def hold(self, most: int) -> None:
        """Hold up to `most` messages; raises the errors in LOST.

        They are consumed, as getting them one by one would cost a round trip each.
        """
        line: asyncio.Queue[DeliveredMessage] = asyncio.Queue()
        await self._channel.basic_qos(prefetch_count=min(most, MOST_PREFETCHED), timeout=CALL_TIMEOUT_S)
        consumer = await self._channel.basic_consume(self._queue, line.put, no_ack=False, timeout=CALL_TIMEOUT_S)
        while len(self.deliveries) < most:
            try:
                async with asyncio.timeout(SILENCE_S):
                    message = await line.get()
            except TimeoutError:
                message = await self._channel.basic_get(self._queue, timeout=CALL_TIMEOUT_S)
                if message.delivery_tag is None:
                    break  # nothing is left
            self._hold(message)
        await self._channel.basic_cancel(str(consumer.consumer_tag), timeout=CALL_TIMEOUT_S)
        while not line.empty():
            self._hold(line.get_nowait())

    def _hold(self, message: DeliveredMessage) -> None:
        delivery = _delivery(message)
        self._left.add(delivery.tag)
        self.deliveries.append(delivery)

    async def remove(self, delivery: Delivery) -> None:
        """Acknowledge this message; raises BrokerLost."""
        try:
            await self._channel.basic_ack(delivery.tag)
            self._left.discard(delivery.tag)
            await self._keep_pace()
        except LOST as error:
            raise BrokerLost(f"{type(error).__name__}") from error

    async def close(self) -> None:
        """Return the others one by one, in sequence; closing the channel would return them in random order."""
        with contextlib.suppress(*LOST):
            for delivery in self.deliveries:
                if delivery.tag in self._left:
                    await self._channel.basic_nack(delivery.tag, wait=False)
                    await self._keep_pace()
            await self._all_done()
        await quietly_close(self._channel)

    async def _keep_pace(self) -> None:
        """Wait after every few commands: a quorum queue drops those that pile up when their channel is closed.

        RabbitMQ's `quorum_commands_soft_limit` is 32 (rabbitmq-server, issue 10327). Commands that pile up also lose
        their order; on a busy broker, neighbours may still be swapped.
        """
        self._unsure += 1
        if self._unsure >= COMMANDS_AT_ONCE:
            await self._all_done()

    async def _all_done(self) -> None:
        # Its answer comes when the channel's earlier commands are done.
        await self._channel.queue_declare(self._queue, passive=True, timeout=CALL_TIMEOUT_S)
        self._unsure = 0


def _delivery(message: DeliveredMessage) -> Delivery:
    properties = message.header.properties
    return Delivery(
        body=message.body,
        headers=_plain(properties.headers or {}),
        content_type=properties.content_type,
        content_encoding=properties.content_encoding,
        message_id=properties.message_id or "",
        routing_key=message.routing_key or "",
        redelivered=bool(message.redelivered),
        tag=message.delivery_tag or 0,
    )


def _plain(headers: Mapping[str, Any]) -> dict[str, Any]:
    return {
        str(k): v.decode("utf-8", "replace") if isinstance(v, (bytes, bytearray)) else v for k, v in headers.items()
    }


async def quietly_close(thing: AbstractConnection | AbstractChannel | RawChannel | None) -> None:
    """Close, whatever the state; never raises."""
    if thing is not None:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(2):
                await thing.close()

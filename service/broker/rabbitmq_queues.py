"""Deliveries from RabbitMQ: a line that the intake loop empties, and messages held to be looked at."""

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
# aiormq lets a StopAsyncIteration out when the server closes in the middle of the handshake.
LOST: Final = (OSError, EOFError, TimeoutError, aiormq.exceptions.AMQPError, aio_pika.exceptions.AMQPError,
                PAMQPException, RuntimeError, StopAsyncIteration)  # fmt: skip


class RabbitSubscription:
    """Deliveries are put in line as they come; the loop takes whatever waits."""

    def __init__(self, channel: RawChannel, most_bytes: int | None = None) -> None:
        self._channel = channel
        self._most_bytes = most_bytes
        self._line: asyncio.Queue[DeliveredMessage | None] = asyncio.Queue()
        # The size of each that is not acknowledged, by its tag: tags grow, so the first is the oldest.
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
            return  # it goes back when the channel is closed
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
        """Wait for one message, then take what is there; raises BrokerLost."""
        taken = [await self._line.get()]
        while len(taken) < limit and not self._line.empty():
            taken.append(self._line.get_nowait())
        if self._lost is not None:
            raise self._lost
        return [_delivery(m) for m in taken if m is not None]

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge these: at once those before which nothing is left, the others one by one. Raises BrokerLost."""
        for d in deliveries:
            self._held_bytes -= self._held.pop(d.tag, 0)
        oldest_left = next(iter(self._held), self._newest + 1)
        up_to = max((d.tag for d in deliveries if d.tag < oldest_left), default=0)
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                # None waits until it is written: whoever acknowledged a hundred would wait as many turns of the loop.
                if up_to:
                    await self._channel.basic_ack(up_to, multiple=True, wait=False)
                for tag in (d.tag for d in deliveries if d.tag > oldest_left):
                    await self._channel.basic_ack(tag, wait=False)
        except LOST as error:
            raise BrokerLost(f"{type(error).__name__}") from error

    async def close(self) -> None:
        """Stop consuming and give back what was not acknowledged."""
        self._end(BrokerLost("closed"))
        await quietly_close(self._channel)


class RabbitTaken:
    """Messages held by a channel; closing it puts them back."""

    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel
        self._messages: dict[int, aio_pika.abc.AbstractIncomingMessage] = {}
        self.deliveries: list[Delivery] = []

    def hold(self, message: aio_pika.abc.AbstractIncomingMessage) -> None:
        """Remember one message."""
        tag = message.delivery_tag or 0
        self._messages[tag] = message
        self.deliveries.append(
            Delivery(
                body=message.body,
                headers=_plain(message.headers),
                content_type=message.content_type,
                content_encoding=message.content_encoding,
                message_id=message.message_id or "",
                routing_key=message.routing_key or "",
                redelivered=bool(message.redelivered),
                tag=tag,
            )
        )

    async def remove(self, delivery: Delivery) -> None:
        """This one is dealt with."""
        await self._messages[delivery.tag].ack()

    async def close(self) -> None:
        """Put the others back."""
        await quietly_close(self._channel)


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
    """Close, whatever state it is in."""
    if thing is not None:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(2):
                await thing.close()

"""Deliveries from RabbitMQ: a line that the intake loop empties, and messages held to be looked at."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import aio_pika
import aiormq
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.abc import DeliveredMessage
from pamqp.exceptions import PAMQPException

from service.broker.port import BrokerLost, Delivery

CALL_TIMEOUT_S: Final = 10.0
# aiormq lets a StopAsyncIteration out when the server closes in the middle of the handshake.
LOST: Final = (OSError, EOFError, TimeoutError, aiormq.exceptions.AMQPError, aio_pika.exceptions.AMQPError,
                PAMQPException, RuntimeError, StopAsyncIteration)  # fmt: skip


class RabbitSubscription:
    """Deliveries are put in line as they come; the loop takes whatever waits."""

    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel
        self._line: asyncio.Queue[DeliveredMessage | None] = asyncio.Queue()
        self._tag = ""
        self._lost = ""

    async def start(self, queue: str, prefetch: int) -> None:
        """Consume `queue` with manual acknowledgement."""
        await self._channel.set_qos(prefetch_count=prefetch, timeout=CALL_TIMEOUT_S)
        raw = await self._channel.get_underlay_channel()
        raw.on_consumer_cancel_callbacks.add(self._on_cancelled)
        self._channel.close_callbacks.add(self._on_closed)
        done = await raw.basic_consume(queue, self._on_message, no_ack=False, timeout=CALL_TIMEOUT_S)
        self._tag = done.consumer_tag or ""

    async def _on_message(self, message: DeliveredMessage) -> None:
        self._line.put_nowait(message)

    def _on_cancelled(self, *_: Any) -> None:
        self._end("the broker cancelled the consumer")

    def _on_closed(self, *_: Any) -> None:
        self._end("the channel was closed")

    def _end(self, why: str) -> None:
        self._lost = self._lost or why
        self._line.put_nowait(None)

    async def batch(self, limit: int) -> list[Delivery]:
        """Wait for one message, then take what is there; raises BrokerLost."""
        taken = [await self._line.get()]
        while len(taken) < limit and not self._line.empty():
            taken.append(self._line.get_nowait())
        if self._lost:
            raise BrokerLost(self._lost)
        return [_delivery(m) for m in taken if m is not None]

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge up to the last of these; raises BrokerLost."""
        try:
            raw = await self._channel.get_underlay_channel()
            async with asyncio.timeout(CALL_TIMEOUT_S):
                await raw.basic_ack(max(d.tag for d in deliveries), multiple=True)
        except LOST as error:
            raise BrokerLost(f"{type(error).__name__}") from error

    async def close(self) -> None:
        """Stop consuming and give back what was not acknowledged."""
        self._end("closed")
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


async def quietly_close(thing: AbstractConnection | AbstractChannel | None) -> None:
    """Close, whatever state it is in."""
    if thing is not None:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(2):
                await thing.close()

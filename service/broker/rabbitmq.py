"""RabbitMQ through aio-pika.

Recovery is ours, not the client's robust mode: a lost connection, a closed channel and a consumer that the
broker cancelled all end as BrokerLost, and whoever consumes declares and subscribes again. Each call has a
timeout; publishing waits for the broker's confirm.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import aio_pika
import aiormq
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange
from aiormq.abc import DeliveredMessage
from pamqp.exceptions import PAMQPException

from service.broker.port import (
    DEAD,
    ESCALATIONS,
    INTAKE,
    INTAKE_BINDING,
    NOTIFICATIONS,
    ORDERS,
    BrokerLost,
    Delivery,
    Message,
    Taken,
)

log = structlog.get_logger(__name__)

CALL_TIMEOUT_S: Final = 10.0
PUBLISH_TIMEOUT_S: Final = 10.0
HEARTBEAT_S: Final = 20
# Quorum queues have no limit of their own before RabbitMQ 4; looking at dead letters must never reach one.
DELIVERY_LIMIT: Final = 20
LOOKING_LIMIT: Final = 1_000_000
# aiormq lets a StopAsyncIteration out when the server closes in the middle of the handshake.
_LOST: Final = (OSError, EOFError, TimeoutError, aiormq.exceptions.AMQPError, aio_pika.exceptions.AMQPError,
                PAMQPException, RuntimeError, StopAsyncIteration)  # fmt: skip


class RabbitBroker:
    """One connection for consuming and one for publishing: a blocked publisher does not stop the consumer."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._consuming: AbstractConnection | None = None
        self._publishing: AbstractConnection | None = None
        self._publisher: AbstractChannel | None = None
        self._exchanges: dict[str, AbstractExchange] = {}
        self._teams: tuple[str, ...] = ()
        self._lock = asyncio.Lock()

    @property
    def connected(self) -> bool:
        """Whether the publishing channel is open."""
        return self._publisher is not None and not self._publisher.is_closed

    async def connect(self, teams: Iterable[str]) -> None:
        """Connect and declare the topology; raises BrokerLost."""
        self._teams = tuple(teams)
        async with self._lock:
            await self._ensure_publisher()

    async def _ensure_publisher(self) -> None:
        if self.connected:
            return
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S * 2):
                await _quietly_close(self._publishing)
                self._publishing = await self._open()
                channel = self._publishing.channel(publisher_confirms=True)
                await channel.initialize(timeout=CALL_TIMEOUT_S)
                self._exchanges = await self._declare(channel)
                self._publisher = channel
        except _LOST as error:
            raise BrokerLost(f"{type(error).__name__}: {_no_password(error)}") from error

    async def _open(self) -> AbstractConnection:
        return await aio_pika.connect(
            self._url,
            timeout=CALL_TIMEOUT_S,
            heartbeat=HEARTBEAT_S,
            client_properties={"connection_name": "stagebell"},
        )

    async def _declare(self, channel: AbstractChannel) -> dict[str, AbstractExchange]:
        """Exchanges, queues and bindings; the exchanges publish over `channel`."""
        topic, fanout = aio_pika.ExchangeType.TOPIC, aio_pika.ExchangeType.FANOUT
        kinds = {ORDERS: topic, ESCALATIONS: topic, NOTIFICATIONS: topic, DEAD: fanout}
        exchanges = {
            name: await channel.declare_exchange(name, kind, durable=True, timeout=CALL_TIMEOUT_S)
            for name, kind in kinds.items()
        }
        dead = await _quorum(channel, DEAD, {"x-delivery-limit": LOOKING_LIMIT})
        await dead.bind(exchanges[DEAD], "", timeout=CALL_TIMEOUT_S)
        limits = {
            "x-single-active-consumer": True,
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": DEAD,
        }
        intake = await _quorum(channel, INTAKE, limits)
        await intake.bind(exchanges[ORDERS], INTAKE_BINDING, timeout=CALL_TIMEOUT_S)
        for team in self._teams:
            queue = await _quorum(channel, f"{ESCALATIONS}.{team}", {})
            await queue.bind(exchanges[ESCALATIONS], f"escalation.{team}.#", timeout=CALL_TIMEOUT_S)
        return exchanges

    async def subscribe(self, queue: str, prefetch: int) -> "RabbitSubscription":
        """Declare again and start consuming; raises BrokerLost."""
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S * 2):
                if self._consuming is None or self._consuming.is_closed:
                    self._consuming = await self._open()
                channel = self._consuming.channel(publisher_confirms=False)
                await channel.initialize(timeout=CALL_TIMEOUT_S)
                await self._declare(channel)
                subscription = RabbitSubscription(channel)
                await subscription.start(queue, prefetch)
                return subscription
        except _LOST as error:
            await _quietly_close(self._consuming)
            self._consuming = None
            raise BrokerLost(f"{type(error).__name__}: {_no_password(error)}") from error

    async def publish(self, messages: Sequence[Message]) -> list[bool]:
        """Publish all at once; whether each was confirmed in time."""
        try:
            async with self._lock:
                await self._ensure_publisher()
        except BrokerLost as error:
            log.warning("broker.away", error=str(error))
            return [False] * len(messages)
        return list(await asyncio.gather(*(self._publish_one(m) for m in messages)))

    async def _publish_one(self, message: Message) -> bool:
        try:
            exchange = self._exchanges[message.exchange]
            async with asyncio.timeout(PUBLISH_TIMEOUT_S):
                await exchange.publish(
                    aio_pika.Message(
                        body=message.body,
                        headers=dict(message.headers),
                        content_type=message.content_type,
                        message_id=message.message_id or None,
                        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                    ),
                    routing_key=message.routing_key,
                    mandatory=False,
                )
        except _LOST as error:
            log.warning("broker.publish_failed", error=type(error).__name__, routing_key=message.routing_key)
            return False
        return True

    async def depth(self, queue: str) -> int:
        """How many messages wait; raises BrokerLost."""
        async with self._lock:
            await self._ensure_publisher()
        assert self._publisher is not None
        try:
            declared = await self._publisher.declare_queue(queue, passive=True, timeout=CALL_TIMEOUT_S)
        except _LOST as error:
            raise BrokerLost(f"{type(error).__name__}: {_no_password(error)}") from error
        return declared.declaration_result.message_count or 0

    async def take(self, queue: str, limit: int) -> Taken:
        """Hold the first messages of `queue` on a channel of their own; raises BrokerLost."""
        async with self._lock:
            await self._ensure_publisher()
        assert self._publishing is not None
        try:
            channel = self._publishing.channel(publisher_confirms=False)
            await channel.initialize(timeout=CALL_TIMEOUT_S)
            declared = await channel.declare_queue(queue, passive=True, timeout=CALL_TIMEOUT_S)
            taken = RabbitTaken(channel)
            while len(taken.deliveries) < limit:
                message = await declared.get(fail=False, timeout=CALL_TIMEOUT_S)
                if message is None:
                    break
                taken.hold(message)
            return taken
        except _LOST as error:
            raise BrokerLost(f"{type(error).__name__}: {_no_password(error)}") from error

    async def close(self) -> None:
        """Disconnect."""
        for connection in (self._consuming, self._publishing):
            await _quietly_close(connection)


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
        except _LOST as error:
            raise BrokerLost(f"{type(error).__name__}") from error

    async def close(self) -> None:
        """Stop consuming and give back what was not acknowledged."""
        self._end("closed")
        await _quietly_close(self._channel)


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
        await _quietly_close(self._channel)


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


async def _quorum(channel: AbstractChannel, name: str, arguments: dict[str, Any]) -> aio_pika.abc.AbstractQueue:
    return await channel.declare_queue(
        name, durable=True, arguments={"x-queue-type": "quorum", **arguments}, timeout=CALL_TIMEOUT_S
    )


async def _quietly_close(thing: AbstractConnection | AbstractChannel | None) -> None:
    if thing is not None:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(2):
                await thing.close()


def _no_password(error: BaseException) -> str:
    text = str(error)
    return "" if "@" in text else text[:200]

"""Connects to the first RabbitMQ node that responds, and declares the topology: exchanges, queues, bindings.

A user without the right to configure (RabbitMQ documentation, "Access Control") can use a topology that was declared
before; it is then only checked. Refusals by the broker are reported in one line, with a remedy.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import aio_pika
import aiormq
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractQueue, ExchangeType
from aiormq.abc import AbstractChannel as RawChannel

from service.broker.port import (
    ACTS,
    CLOCKS,
    DEAD,
    ESCALATIONS,
    NOTIFICATIONS,
    ORDERS,
    REPLIES,
    BrokerLost,
    BrokerRefused,
)
from service.broker.rabbitmq_queues import CALL_TIMEOUT_S, LOST, quietly_close

log = structlog.get_logger(__name__)
HEARTBEAT_S: Final = 20
# A message has three frames, or more if larger than 128 KiB (the broker's `frame_max`).
FRAMES_AT_ONCE: Final = 300
# Quorum queues have no delivery limit by default before RabbitMQ 4; inspecting dead letters must never reach one.
DELIVERY_LIMIT: Final = 20
LOOKING_LIMIT: Final = 1_000_000
_QUORUM: Final = {"x-queue-type": "quorum"}
_EXCHANGES: Final[Mapping[str, ExchangeType]] = {
    ORDERS: ExchangeType.TOPIC,
    ESCALATIONS: ExchangeType.TOPIC,
    NOTIFICATIONS: ExchangeType.TOPIC,
    REPLIES: ExchangeType.TOPIC,
    CLOCKS: ExchangeType.TOPIC,
    ACTS: ExchangeType.TOPIC,
    DEAD: ExchangeType.FANOUT,
}
CONFIGURE: Final = r"^(orders|escalations|notifications|replies|clocks|stagebell)"


class Nodes:
    """The brokers' URLs; the last one that responded is tried first."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = list(urls)

    @property
    def patience_s(self) -> float:
        """The time limit in seconds for trying all of them and declaring the topology."""
        return CALL_TIMEOUT_S * (1 + len(self._urls))

    async def open(self) -> AbstractConnection:
        """A connection to the first that responds; raises BrokerLost, or BrokerRefused if those responding refuse."""
        errors: list[BrokerLost] = []
        for url in list(self._urls):
            try:
                connection = await aio_pika.connect(
                    url,
                    timeout=CALL_TIMEOUT_S,
                    heartbeat=None if "heartbeat=" in urlsplit(url).query else HEARTBEAT_S,
                    client_properties={"connection_name": "stagebell"},
                )
            except LOST as error:
                errors.append(as_lost(error, url))
                continue
            self._urls.remove(url)
            self._urls.insert(0, url)
            return connection
        raise next((e for e in errors if isinstance(e, BrokerRefused)), errors[-1])


async def open_channel(connection: AbstractConnection, *, confirms: bool) -> AbstractChannel:
    """An open channel."""
    channel = connection.channel(publisher_confirms=confirms)
    await channel.initialize(timeout=CALL_TIMEOUT_S)
    return channel


async def open_consuming(connection: AbstractConnection) -> RawChannel:
    """A channel that reads many frames per turn of the event loop; raises the errors in LOST.

    The client's default is ten frames, three messages: in a busy process the last message would wait for seconds.
    """
    if connection.transport is None:
        raise ConnectionError("not connected")
    return await connection.transport.connection.channel(
        publisher_confirms=False, frame_buffer_size=FRAMES_AT_ONCE, timeout=CALL_TIMEOUT_S
    )


async def declare(connection: AbstractConnection, teams: Sequence[str]) -> AbstractChannel:
    """Declare the topology, or check it if this user may not; returns the channel. Raises the errors in LOST."""
    channel = await open_channel(connection, confirms=False)
    try:
        await _make(channel, teams)
        return channel
    except aiormq.exceptions.ChannelAccessRefused as refused:
        await quietly_close(channel)
        log.info("broker.declare_refused", why=str(refused)[:200])
    channel = await open_channel(connection, confirms=False)
    await _find(channel, teams)
    return channel


async def _make(channel: AbstractChannel, teams: Sequence[str]) -> None:
    exchanges = {
        name: await channel.declare_exchange(name, kind, durable=True, timeout=CALL_TIMEOUT_S)
        for name, kind in _EXCHANGES.items()
    }
    dead = await declare_queue(channel, DEAD, {"x-delivery-limit": LOOKING_LIMIT})
    await dead.bind(exchanges[DEAD], "", timeout=CALL_TIMEOUT_S)
    for team in teams:
        queue = await declare_queue(channel, f"{ESCALATIONS}.{team}", {})
        await queue.bind(exchanges[ESCALATIONS], f"escalation.{team}.#", timeout=CALL_TIMEOUT_S)


async def declare_queue(channel: AbstractChannel, name: str, arguments: Mapping[str, Any]) -> AbstractQueue:
    """Declare a durable quorum queue."""
    return await channel.declare_queue(name, durable=True, arguments={**_QUORUM, **arguments}, timeout=CALL_TIMEOUT_S)


async def _find(channel: AbstractChannel, teams: Sequence[str]) -> None:
    try:
        for name, kind in _EXCHANGES.items():
            await channel.declare_exchange(name, kind, passive=True, timeout=CALL_TIMEOUT_S)
        for name in (DEAD, *(f"{ESCALATIONS}.{team}" for team in teams)):
            await channel.declare_queue(name, passive=True, timeout=CALL_TIMEOUT_S)
    except aiormq.exceptions.ChannelNotFoundEntity as missing:
        raise BrokerRefused(
            f"{_error_text(missing)}, and this user may not create it: start once with a user who may,"
            f" or grant the right to configure {CONFIGURE}"
        ) from missing


def as_lost(error: BaseException, url: str = "") -> BrokerLost:
    """Translate an error into a refusal with a remedy, or a lost connection. The text never contains the password."""
    if isinstance(error, BrokerLost):
        return error
    parts = urlsplit(url)
    user, vhost = unquote(parts.username or "guest"), unquote(parts.path[1:]) or "/"
    text = _error_text(error)
    where = f"{parts.hostname}:{parts.port or (5671 if parts.scheme == 'amqps' else 5672)}: " if url else ""
    if isinstance(error, aiormq.exceptions.AuthenticationError | aiormq.exceptions.ProbableAuthenticationError):
        return BrokerRefused(f"{where}the broker rejects user {user!r}: is the password right, does the user exist?")
    if "Connection.Close" in text or isinstance(error, aiormq.exceptions.ConnectionNotAllowed):
        # The broker closes the connection instead of opening the virtual host; the client does not report the reason.
        return BrokerRefused(
            f"{where}the broker does not open virtual host {vhost!r} to user {user!r}: does it exist"
            " (rabbitmqctl list_vhosts), may the user use it (rabbitmqctl set_permissions)?"
        )
    if isinstance(error, aiormq.exceptions.ConnectionCommandInvalid) and "x-consistent-hash" in text:
        return BrokerRefused(
            "STAGEBELL_INTAKE_PARTITIONS above 1 needs RabbitMQ's consistent-hash exchange, which is not enabled"
            " on this broker: run `rabbitmq-plugins enable rabbitmq_consistent_hash_exchange` on every node (it comes"
            " with RabbitMQ), or set STAGEBELL_INTAKE_PARTITIONS=1"
        )
    if isinstance(error, aiormq.exceptions.ChannelAccessRefused):
        return BrokerRefused(f"{text}: grant it (rabbitmqctl set_permissions)")
    if isinstance(error, aiormq.exceptions.ChannelPreconditionFailed):
        return BrokerRefused(f"{text}: it exists with other arguments; delete it when it is empty, and start again")
    return BrokerLost(f"{where}{type(error).__name__}: {text}".rstrip(": "))


def _error_text(error: BaseException) -> str:
    """The error's own text, without anything that could be a URL with a password."""
    return re.sub(r"\S*://\S*@", "...@", str(error))[:300]

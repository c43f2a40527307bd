"""Intake's queues: one, or several partitions to which events are routed by order.

    orders ─order.#─► stagebell.partitions ─has cloudEvents:subject─► ….subject ─hash─► stagebell.intake, .1, .2 …
                       └─else─► ….other ─has cloudEvents_subject─► ….other_subject ─hash─► the same
                                 └─else─► ….rest ─► stagebell.intake

Both spellings are of CloudEvents' AMQP binding, §3.1. Messages with neither header are routed before the hash, as
some releases of RabbitMQ fail on them. Both hash exchanges are bound alike, so that they agree. A new binding is made
before the one that it replaces is removed: in between an event may be routed twice, which the inbox detects, but never
nowhere. Whoever changes bindings holds an exclusive queue as a lock (`_LOCK`), which ends with the connection.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

import aiormq
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange, AbstractQueue, ExchangeType

from service.broker.port import (
    DEAD,
    INTAKE,
    INTAKE_BINDING,
    ORDERS,
    SUBJECT_HEADERS,
    BrokerRefused,
    Partitioning,
    PartitionsHeld,
    QueueGone,
    intake_queue,
)
from service.broker.rabbitmq_queues import CALL_TIMEOUT_S, quietly_close
from service.broker.rabbitmq_topology import CONFIGURE, DELIVERY_LIMIT, declare_queue, open_channel

log = structlog.get_logger(__name__)
HASH: Final = "x-consistent-hash"
_FIRST: Final = "stagebell.partitions"
_OTHER: Final = f"{_FIRST}.other"
_REST: Final = f"{_FIRST}.rest"
# Header name, and the exchange that hashes it.
_HASHED: Final = dict(zip(SUBJECT_HEADERS, (f"{_FIRST}.subject", f"{_FIRST}.other_subject"), strict=True))
HASHES: Final = tuple(_HASHED.values())
EXCHANGES: Final = (_FIRST, _OTHER, _REST, *HASHES)
WEIGHT: Final = "1"
_LOCK: Final = "stagebell.partitioning"
# Exists until all events of earlier partitions have been taken in, even if processes end meanwhile.
_GROWING: Final = "stagebell.partitions.growing"
# An empty queue that each process sharing the partitions consumes, to count them: RabbitMQ does not report the standby
# consumers of queues with a single active consumer.
_MEMBERS: Final = "stagebell.partitions.members"
_LIMITS: Final[Mapping[str, Any]] = {
    "x-single-active-consumer": True,
    "x-delivery-limit": DELIVERY_LIMIT,
    "x-dead-letter-exchange": DEAD,
}
# A process that holds the lock for a change releases it within minutes; one that only looks, at once.
_LOCK_TRIES: Final = 20
_LOCK_PAUSE_S: Final = 0.2


class Partitions:
    """Declares intake's queues as configured. Raises the errors in LOST, and BrokerLost."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._surplus: Sequence[int] = ()
        self._has_looked = False
        self._lock: AbstractChannel | None = None
        self._member: AbstractChannel | None = None
        # A process that may not declare the members queue is not counted, and keeps all partitions that it has.
        self._keeps_all = False

    async def ensure(self, connection: AbstractConnection, queue: str = INTAKE) -> None:
        """Declare what is missing before publishing or consuming; existing bindings are not changed."""
        if self._count > 1:
            await _declare_exchanges(connection)
        if await is_there(connection, INTAKE) and (queue == INTAKE or await is_there(connection, queue)):
            return
        is_mine = self._lock is None
        await self.arrange(connection)
        if is_mine:
            await self._unlock()
        if not await is_there(connection, queue):
            raise QueueGone(queue)

    async def arrange(self, connection: AbstractConnection) -> Partitioning:
        """Change queues and bindings to match the settings; the change lasts until `settled`."""
        if not self._has_looked:
            self._surplus = await _beyond(connection, self._count)
            self._has_looked = True
        if self._count == 1 and not self._surplus:
            await _bind_the_only_one(connection)
            return Partitioning(((0,),))
        if self._lock is None or self._lock.is_closed:
            try:
                self._lock = await _locked(connection)
            except aiormq.exceptions.ChannelAccessRefused as refused:
                await _found(connection, self._count, refused)
                return Partitioning(((*range(self._count), *self._surplus),))
        made = [k for k in range(1, self._count) if not await is_there(connection, intake_queue(k))]
        async with _or_found(connection, self._count) as channel:
            if made:
                await declare_queue(channel, _GROWING, {})
            await self._bind(channel)
        if await is_there(connection, _GROWING):
            made = list(range(1, self._count))
        kept = tuple(k for k in range(self._count) if k not in made)
        # Bindings are changed one by one. Meanwhile an order of the fourth of four partitions may move to the third of
        # three, and one of the first to the second, so each intermediate state is a stage of its own.
        return Partitioning((*((k,) for k in reversed(self._surplus)), kept, *((k,) for k in made)))

    async def sharing(self, connection: AbstractConnection) -> int:
        """The number of processes that share the partitions; the call also registers this one."""
        if self._keeps_all:
            return 1
        if self._member is None or self._member.is_closed:
            self._member = await open_channel(connection, confirms=False)
            try:
                members = await declare_queue(self._member, _MEMBERS, {})
                await members.consume(_nothing, no_ack=True, timeout=CALL_TIMEOUT_S)
            except aiormq.exceptions.ChannelAccessRefused:
                self._keeps_all = True
                return 1
        members = await self._member.declare_queue(_MEMBERS, passive=True, timeout=CALL_TIMEOUT_S)
        return members.declaration_result.consumer_count or 1

    async def settled(self) -> None:
        """End the change, so that other processes may begin theirs."""
        if self._lock is not None and not self._lock.is_closed:
            await self._lock.queue_delete(_GROWING)
        await self._unlock()

    async def _unlock(self) -> None:
        if self._lock is not None:
            lock, self._lock = self._lock, None
            if not lock.is_closed:
                await lock.queue_delete(_LOCK)
            await quietly_close(lock)

    async def _bind(self, channel: AbstractChannel) -> None:
        orders = await channel.get_exchange(ORDERS, ensure=False)
        if self._count == 1:
            await (await _intake(channel, 0)).bind(orders, INTAKE_BINDING, timeout=CALL_TIMEOUT_S)
            await (await channel.get_exchange(_FIRST, ensure=False)).unbind(orders, INTAKE_BINDING)
            return
        hashes = await declare_exchanges(channel)
        for k in reversed(self._surplus):
            for exchange in hashes:
                await (await channel.get_queue(intake_queue(k), ensure=False)).unbind(exchange, WEIGHT)
        # Their sequence determines their place in the hash, the same in both exchanges.
        for k in range(self._count):
            queue = await _intake(channel, k)
            for exchange in hashes:
                await queue.bind(exchange, WEIGHT, timeout=CALL_TIMEOUT_S)
        intake = await channel.get_queue(INTAKE, ensure=False)
        await intake.bind(_REST, "", timeout=CALL_TIMEOUT_S)
        await (await channel.get_exchange(_FIRST, ensure=False)).bind(orders, INTAKE_BINDING, timeout=CALL_TIMEOUT_S)
        await intake.unbind(orders, INTAKE_BINDING, timeout=CALL_TIMEOUT_S)


async def declare_exchanges(channel: AbstractChannel) -> list[AbstractExchange]:
    """Declare the exchanges for several partitions, without queues; returns those that hash."""
    await channel.declare_exchange(_REST, ExchangeType.FANOUT, durable=True, timeout=CALL_TIMEOUT_S)
    hashes = []
    for name, otherwise, header in ((_OTHER, _REST, SUBJECT_HEADERS[1]), (_FIRST, _OTHER, SUBJECT_HEADERS[0])):
        sorting = await channel.declare_exchange(
            name,
            ExchangeType.HEADERS,
            durable=True,
            arguments={"alternate-exchange": otherwise},
            timeout=CALL_TIMEOUT_S,
        )
        hashing = await channel.declare_exchange(
            _HASHED[header], HASH, durable=True, arguments={"hash-header": header}, timeout=CALL_TIMEOUT_S
        )
        # A header without a value in a binding only requires its presence (RabbitMQ, `rabbit_exchange_type_headers`).
        await hashing.bind(sorting, "", arguments={"x-match": "all", header: None}, timeout=CALL_TIMEOUT_S)
        hashes.append(hashing)
    return hashes


async def _declare_exchanges(connection: AbstractConnection) -> None:
    async with _or_found(connection, 1) as channel:
        await declare_exchanges(channel)


@contextlib.asynccontextmanager
async def _or_found(connection: AbstractConnection, count: int) -> AsyncIterator[AbstractChannel]:
    """A channel for declarations. Raises BrokerRefused if this user may not declare and a queue is missing."""
    channel = await open_channel(connection, confirms=False)
    try:
        yield channel
    except aiormq.exceptions.ChannelAccessRefused as refused:
        await _found(connection, count, refused)
    finally:
        await quietly_close(channel)


async def _found(connection: AbstractConnection, count: int, refused: Exception) -> None:
    """Check that the queues exist which this user may not declare."""
    log.info("broker.declare_refused", why=str(refused)[:200])
    for queue in map(intake_queue, range(count)):
        if not await is_there(connection, queue):
            raise BrokerRefused(
                f"there is no queue {queue}, and this user may not create it: start once with a user who may, or grant"
                f" the right to configure {CONFIGURE}"
            ) from refused


async def is_there(connection: AbstractConnection, queue: str) -> bool:
    """Whether the queue exists; raises the errors in LOST."""
    channel = await open_channel(connection, confirms=False)
    try:
        await channel.declare_queue(queue, passive=True, timeout=CALL_TIMEOUT_S)
    except aiormq.exceptions.ChannelNotFoundEntity:
        return False
    finally:
        await quietly_close(channel)
    return True


async def _beyond(connection: AbstractConnection, count: int) -> list[int]:
    """The partitions left over from a larger setting."""
    found: list[int] = []
    while await is_there(connection, intake_queue(count + len(found))):
        found.append(count + len(found))
    return found


async def _bind_the_only_one(connection: AbstractConnection) -> None:
    async with _or_found(connection, 1) as channel:
        orders = await channel.get_exchange(ORDERS, ensure=False)
        await (await _intake(channel, 0)).bind(orders, INTAKE_BINDING, timeout=CALL_TIMEOUT_S)


async def _nothing(_: object) -> None:
    """A consumer of an empty queue."""


async def _intake(channel: AbstractChannel, partition: int) -> AbstractQueue:
    return await declare_queue(channel, intake_queue(partition), _LIMITS)


async def _locked(connection: AbstractConnection) -> AbstractChannel:
    """A channel that holds the lock; raises PartitionsHeld if another process holds it."""
    for _ in range(_LOCK_TRIES):
        channel = await open_channel(connection, confirms=False)
        try:
            await channel.declare_queue(_LOCK, exclusive=True, timeout=CALL_TIMEOUT_S)
        except aiormq.exceptions.ChannelLockedResource:
            await quietly_close(channel)
            await asyncio.sleep(_LOCK_PAUSE_S)
        else:
            return channel
    raise PartitionsHeld("another process is changing intake's partitions")

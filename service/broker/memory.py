"""An in-process broker with topic exchanges, queues and redelivery, for the demo, development and tests."""

import asyncio
import itertools
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence

from service.broker.port import (
    DEAD,
    ESCALATIONS,
    INTAKE,
    INTAKE_BINDING,
    ORDERS,
    BrokerLost,
    BrokerMessage,
    Delivery,
    Partitioning,
)

KEPT_PER_QUEUE = 10_000


class MemoryBroker:
    """Keeps up to `KEPT_PER_QUEUE` messages in a queue; they are lost with the process."""

    def __init__(self) -> None:
        self._queues: dict[str, deque[Delivery]] = defaultdict(lambda: deque(maxlen=KEPT_PER_QUEUE))
        self._bindings: list[tuple[str, str, str]] = []
        self._arrived: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._tags = itertools.count(1)
        self._held: dict[str, int] = defaultdict(int)
        self.connected = False

    async def connect(self, teams: Iterable[str]) -> None:
        """Declare queues and bindings."""
        self._bindings = [(ORDERS, INTAKE_BINDING, INTAKE), (DEAD, "#", DEAD)]
        self._bindings += [(ESCALATIONS, f"escalation.{team}.#", f"{ESCALATIONS}.{team}") for team in teams]
        self.connected = True

    async def subscribe(self, queue: str, prefetch: int, most_bytes: int | None = None) -> "MemorySubscription":
        """Start consuming."""
        return MemorySubscription(self, queue)

    async def publish(self, messages: Sequence[BrokerMessage]) -> list[bool]:
        """Put each message into the queues bound to its routing key."""
        for message in messages:
            for exchange, pattern, queue in self._bindings:
                if exchange == message.exchange and _matches(pattern, message.routing_key):
                    self._queues[queue].append(self._delivery(message))
                    self._arrived[queue].set()
        return [True] * len(messages)

    def _delivery(self, message: BrokerMessage) -> Delivery:
        return Delivery(
            body=message.body,
            headers=message.headers,
            content_type=message.content_type,
            content_encoding=None,
            message_id=message.message_id,
            routing_key=message.routing_key,
            redelivered=False,
            tag=next(self._tags),
        )

    async def next_from(self, queue: str, limit: int) -> list[Delivery]:
        """Wait for messages and take them out of the queue."""
        waiting = self._queues[queue]
        while not waiting:
            self._arrived[queue].clear()
            await self._arrived[queue].wait()
            if not self.connected:
                raise BrokerLost("closed")
        return [waiting.popleft() for _ in range(min(limit, len(waiting)))]

    def unsettled(self, queue: str) -> int:
        """The number of messages that are waiting or being processed."""
        return len(self._queues[queue]) + self._held[queue]

    def hold(self, queue: str, count: int) -> None:
        """Adjust the number of messages being processed."""
        self._held[queue] += count

    def put_back(self, queue: str, deliveries: Iterable[Delivery]) -> None:
        """Return messages to the head of the queue."""
        self._queues[queue].extendleft(reversed(list(deliveries)))
        self._arrived[queue].set()

    async def depth(self, queue: str) -> int:
        """The number of waiting messages."""
        return len(self._queues[queue])

    async def sharing(self) -> int:
        """Always 1: no other process shares this broker."""
        return 1

    async def arrange_partitions(self) -> Partitioning:
        """Always one partition: only this process consumes events."""
        return Partitioning(((0,),))

    async def settle_partitions(self) -> None:
        """Does nothing: there is nothing to agree on with other processes."""

    async def take(self, queue: str, limit: int) -> "MemoryHeldMessages":
        """Hold the first messages of a queue for inspection."""
        waiting = self._queues[queue]
        return MemoryHeldMessages(self, queue, [waiting.popleft() for _ in range(min(limit, len(waiting)))])

    async def close(self) -> None:
        """Wake everything that waits for messages."""
        self.connected = False
        for event in self._arrived.values():
            event.set()


class MemorySubscription:
    """Delivers a queue's messages; unacknowledged ones are returned when it is closed."""

    def __init__(self, broker: MemoryBroker, queue: str) -> None:
        self._broker = broker
        self._queue = queue
        self._held: dict[int, Delivery] = {}

    async def batch(self, limit: int) -> list[Delivery]:
        """Wait for a message, then take all others that are ready."""
        deliveries = await self._broker.next_from(self._queue, limit)
        self._held.update({d.tag: d for d in deliveries})
        self._broker.hold(self._queue, len(deliveries))
        return deliveries

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge these."""
        for delivery in deliveries:
            self._held.pop(delivery.tag, None)
        self._broker.hold(self._queue, -len(deliveries))

    async def close(self) -> None:
        """Return unacknowledged messages to the queue."""
        self._broker.hold(self._queue, -len(self._held))
        self._broker.put_back(self._queue, self._held.values())
        self._held.clear()


class MemoryHeldMessages:
    """Messages held for inspection."""

    def __init__(self, broker: MemoryBroker, queue: str, deliveries: list[Delivery]) -> None:
        self._broker = broker
        self._queue = queue
        self.deliveries = deliveries
        self._left = {d.tag: d for d in deliveries}

    async def remove(self, delivery: Delivery) -> None:
        """Remove this message from the queue."""
        self._left.pop(delivery.tag, None)

    async def close(self) -> None:
        """Return the others to the queue, in the order of `deliveries`."""
        self._broker.put_back(self._queue, [self._left[d.tag] for d in self.deliveries if d.tag in self._left])


def _matches(pattern: str, key: str) -> bool:
    """Topic matching: `*` is one word, `#` any number."""
    return _match_words(pattern.split("."), key.split(".") if key else [])


def _match_words(pattern: list[str], words: list[str]) -> bool:
    if not pattern:
        return not words
    if pattern[0] == "#":
        return any(_match_words(pattern[1:], words[i:]) for i in range(len(words) + 1))
    return bool(words) and pattern[0] in ("*", words[0]) and _match_words(pattern[1:], words[1:])

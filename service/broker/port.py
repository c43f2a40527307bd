"""The interface to the broker, and the names of exchanges, queues and headers that other programs rely on."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

from msgspec import Struct

ORDERS: Final = "orders"
ESCALATIONS: Final = "escalations"
NOTIFICATIONS: Final = "notifications"
REPLIES: Final = "replies"
CLOCKS: Final = "clocks"
ACTS: Final = "orders.acts"
DEAD: Final = "stagebell.dead"
INTAKE: Final = "stagebell.intake"
INTAKE_BINDING: Final = "order.#"

# CloudEvents' AMQP binding, §3.1: the order's id, in either spelling.
SUBJECT_HEADERS: Final = ("cloudEvents:subject", "cloudEvents_subject")

REASON_HEADER: Final = "x-stagebell-reason"
AT_HEADER: Final = "x-stagebell-at"
# The position among the messages rejected by one process, as all of a batch have the same time.
PLACE_HEADER: Final = "x-stagebell-place"
ROUTING_KEY_HEADER: Final = "x-stagebell-routing-key"


Destination = tuple[str, str]


def destination_of(exchange: str, routing_key: str) -> Destination:
    """The unit in which messages may block each other: an exchange and the first two words of the routing key."""
    return exchange, ".".join(routing_key.split(".")[:2])


def intake_queue(partition: int) -> str:
    """The queue of an intake partition; the first exists whatever their number."""
    return f"{INTAKE}.{partition}" if partition else INTAKE


class BrokerLost(Exception):
    """The connection, channel or consumer is lost; connect again."""


class BrokerRefused(BrokerLost):
    """The broker refused something; the message says what a person has to do."""


class QueueGone(BrokerLost):
    """The queue does not exist, and the settings do not ask for it."""


class PartitionsHeld(BrokerLost):
    """Another process is changing intake's partitions; the connection itself works."""


class TooMuchHeld(BrokerLost):
    """Unacknowledged deliveries exceeded the memory limit; they were returned to the broker."""


class BrokerMessage(Struct, frozen=True):
    """A message to publish."""

    exchange: str
    routing_key: str
    body: bytes
    message_id: str = ""
    content_type: str | None = None
    headers: Mapping[str, Any] = {}


class Partitioning(Struct, frozen=True):
    """Intake's partitions to consume, in stages: each stage begins when the partitions of earlier ones are empty.

    There are several while the number of partitions changes, as an order's earlier events may wait in another one.
    """

    stages: tuple[tuple[int, ...], ...]


class Delivery(Struct, frozen=True):
    """A received message. `tag`: its delivery tag; `redelivered`: it was delivered before."""

    body: bytes
    headers: Mapping[str, Any]
    content_type: str | None
    content_encoding: str | None
    message_id: str
    routing_key: str
    redelivered: bool
    tag: int


class Subscription(Protocol):
    """A subscription to a queue, which delivers in sequence."""

    async def batch(self, limit: int) -> list[Delivery]:
        """Wait for a message, then take all others that are ready; raises BrokerLost."""
        ...

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge these messages; raises BrokerLost."""
        ...

    async def close(self) -> None:
        """Stop consuming; unacknowledged messages are returned."""
        ...


class Broker(Protocol):
    """A connection to a broker: declares the topology on connecting, publishes with confirms."""

    @property
    def connected(self) -> bool:
        """Whether it is connected."""
        ...

    async def connect(self, teams: Iterable[str]) -> None:
        """Connect and declare exchanges, queues and bindings; raises BrokerLost."""
        ...

    async def subscribe(self, queue: str, prefetch: int, most_bytes: int | None = None) -> Subscription:
        """Start consuming, with at most so many unacknowledged messages and bytes. Raises BrokerLost."""
        ...

    async def publish(self, messages: Sequence[BrokerMessage]) -> list[bool]:
        """Publish all and wait; returns whether each was confirmed. Does not raise if the broker is unavailable."""
        ...

    async def depth(self, queue: str) -> int:
        """The number of ready messages in a queue; raises BrokerLost."""
        ...

    async def sharing(self) -> int:
        """The number of processes that share intake's partitions, including this one; raises BrokerLost."""
        ...

    async def arrange_partitions(self) -> Partitioning:
        """Declare intake's partitions as configured, and return which to consume; raises BrokerLost, BrokerRefused.

        If that changes something, other processes cannot change it until `settle_partitions` or a disconnect.
        """
        ...

    async def settle_partitions(self) -> None:
        """Report that all messages of earlier partitions have been processed."""
        ...

    async def take(self, queue: str, limit: int) -> "HeldMessages":
        """Hold the first messages of a queue for inspection; they are returned unless removed. Raises BrokerLost."""
        ...

    async def close(self) -> None:
        """Disconnect."""
        ...


class HeldMessages(Protocol):
    """Messages held for inspection."""

    deliveries: list[Delivery]

    async def remove(self, delivery: Delivery) -> None:
        """Remove this message from the queue."""
        ...

    async def close(self) -> None:
        """Return the others to the head of the queue, in the order of `deliveries`."""
        ...

"""What the service needs of a broker, and the names that other programs rely on."""

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
# The how manieth of those that one process refused: all of a batch have one moment.
PLACE_HEADER: Final = "x-stagebell-place"
ROUTING_KEY_HEADER: Final = "x-stagebell-routing-key"


Destination = tuple[str, str]


def destination_of(exchange: str, routing_key: str) -> Destination:
    """What may block each other: messages of one exchange whose routing keys begin alike, such as one team's."""
    return exchange, ".".join(routing_key.split(".")[:2])


def intake_queue(partition: int) -> str:
    """The queue of an intake partition; the first exists whatever their number."""
    return f"{INTAKE}.{partition}" if partition else INTAKE


class BrokerLost(Exception):
    """The connection, channel or consumer is lost; connect again."""


class BrokerRefused(BrokerLost):
    """The broker refused; only a person can fix that, and the message says how."""


class QueueGone(BrokerLost):
    """The queue does not exist, and no setting asks for it."""


class PartitionsHeld(BrokerLost):
    """Another process is changing intake's partitions; the connection itself is fine."""


class TooMuchHeld(BrokerLost):
    """Unacknowledged deliveries exceed what may be kept in memory; they went back to the broker."""


class Message(Struct, frozen=True):
    """A message to publish."""

    exchange: str
    routing_key: str
    body: bytes
    message_id: str = ""
    content_type: str | None = None
    headers: Mapping[str, Any] = {}


class Partitioning(Struct, frozen=True):
    """Intake's partitions that are to be consumed, in stages: one begins when nothing waits in those before it.

    There are several while their number changes: events of an order may wait in one, and later ones in the next.
    """

    stages: tuple[tuple[int, ...], ...]


class Delivery(Struct, frozen=True):
    """A received message. `tag`: what acknowledges it; `redelivered`: it was delivered before."""

    body: bytes
    headers: Mapping[str, Any]
    content_type: str | None
    content_encoding: str | None
    message_id: str
    routing_key: str
    redelivered: bool
    tag: int


class Subscription(Protocol):
    """A queue's messages, in order, until they are acknowledged."""

    async def batch(self, limit: int) -> list[Delivery]:
        """Wait for a message, then take all others that are ready; raises BrokerLost."""
        ...

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge exactly these; raises BrokerLost."""
        ...

    async def close(self) -> None:
        """Stop consuming; unacknowledged messages are returned."""
        ...


class Broker(Protocol):
    """Declares its topology on connecting; publishes with confirms."""

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

    async def publish(self, messages: Sequence[Message]) -> list[bool]:
        """Publish all and wait; returns whether each was confirmed. Does not raise if the broker is unavailable."""
        ...

    async def depth(self, queue: str) -> int:
        """The number of ready messages in a queue; raises BrokerLost."""
        ...

    async def sharing(self) -> int:
        """The number of processes that share intake's partitions, including this one; raises BrokerLost."""
        ...

    async def arrange_partitions(self) -> Partitioning:
        """Make intake's partitions as they are set, and look which there are; raises BrokerLost, BrokerRefused.

        Where that is a change, no other process makes one until `settle_partitions`, or this connection's end.
        """
        ...

    async def settle_partitions(self) -> None:
        """Everything moved by the last change has been processed."""
        ...

    async def take(self, queue: str, limit: int) -> "Taken":
        """Inspect the first messages of a queue; they are returned unless removed. Raises BrokerLost."""
        ...

    async def close(self) -> None:
        """Disconnect."""
        ...


class Taken(Protocol):
    """Messages taken aside while somebody inspects them."""

    deliveries: list[Delivery]

    async def remove(self, delivery: Delivery) -> None:
        """Acknowledge this one."""
        ...

    async def close(self) -> None:
        """Return the others to the head of the queue, in the order of `deliveries`."""
        ...

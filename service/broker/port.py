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
    """What may be held up together: what goes to one exchange by keys that begin alike, such as to one team."""
    return exchange, ".".join(routing_key.split(".")[:2])


def intake_queue(partition: int) -> str:
    """The queue of one of intake's partitions; the first is there with any number of them."""
    return f"{INTAKE}.{partition}" if partition else INTAKE


class BrokerLost(Exception):
    """The connection, the channel or the consumer is gone; begin again."""


class BrokerRefused(BrokerLost):
    """The broker answered and said no: nothing heals that but a person, who reads here what to do."""


class QueueGone(BrokerLost):
    """There is no such queue, and nothing set asks for one."""


class PartitionsHeld(BrokerLost):
    """Another process changes intake's partitions; nothing is wrong with the connection."""


class TooMuchHeld(BrokerLost):
    """What was handed out and not acknowledged is more than may be held in memory; it went back to the broker."""


class Message(Struct, frozen=True):
    """What goes to the broker."""

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
    """What comes from it. `tag` acknowledges it; `redelivered` says that it was handed out before."""

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
        """Wait for a message, then take what else is already there; raises BrokerLost."""
        ...

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """These are done, and no others; raises BrokerLost."""
        ...

    async def close(self) -> None:
        """Stop consuming; what was not acknowledged goes back."""
        ...


class Broker(Protocol):
    """Declares what it needs on connecting; publishes with confirms."""

    @property
    def connected(self) -> bool:
        """Whether it can be used now."""
        ...

    async def connect(self, teams: Iterable[str]) -> None:
        """Connect and declare exchanges, queues and bindings; raises BrokerLost."""
        ...

    async def subscribe(self, queue: str, prefetch: int, most_bytes: int | None = None) -> Subscription:
        """Start consuming; at most so many messages and bytes are held unacknowledged. Raises BrokerLost."""
        ...

    async def publish(self, messages: Sequence[Message]) -> list[bool]:
        """Publish all and wait: whether each was confirmed. Never raises for a broker that is away."""
        ...

    async def depth(self, queue: str) -> int:
        """How many messages wait in a queue; raises BrokerLost."""
        ...

    async def sharing(self) -> int:
        """How many processes share intake's partitions, this one included; raises BrokerLost."""
        ...

    async def arrange_partitions(self) -> Partitioning:
        """Make intake's partitions as they are set, and look which there are; raises BrokerLost, BrokerRefused.

        Where that is a change, no other process makes one until `settle_partitions`, or this connection's end.
        """
        ...

    async def settle_partitions(self) -> None:
        """What the last change moved is through."""
        ...

    async def take(self, queue: str, limit: int) -> "Taken":
        """Look at the first messages of a queue; they go back unless removed. Raises BrokerLost."""
        ...

    async def close(self) -> None:
        """Disconnect."""
        ...


class Taken(Protocol):
    """Messages held while somebody looks at them."""

    deliveries: list[Delivery]

    async def remove(self, delivery: Delivery) -> None:
        """This one is dealt with."""
        ...

    async def close(self) -> None:
        """Put the others back at the head of the queue, in the order of `deliveries`."""
        ...

"""Dead letters."""

from msgspec import Struct


class DeadLetterLine(Struct):
    """A refused message; `number` is its place in the queue, `key` is its own."""

    number: int
    key: str
    reason: str
    at: str
    type: str
    order_id: str
    routing_key: str


class DeadLetterPage(Struct):
    """The first dead letters."""

    dead_letters: list[DeadLetterLine]

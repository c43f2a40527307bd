"""Detects exchanges without listeners: the broker drops unroutable messages (AMQP 0-9-1, `basic.publish`, "mandatory").

Whether anybody binds a queue for replies, outcomes or acts is up to other systems. Whoever expects messages finds in
the log that no queue is bound for them.
"""

import time
from typing import Final

import structlog

from service.broker.port import Destination

log = structlog.get_logger(__name__)
# The broker returns unroutable mandatory messages whole, so only some messages are published as mandatory.
ASKED_EVERY_S: Final = 60.0


class Listening:
    """For each destination: when to publish with `mandatory` again, and whether a queue took the last such message."""

    def __init__(self) -> None:
        self._next: dict[Destination, float] = {}
        self._unheard: set[Destination] = set()

    def asks(self, destination: Destination) -> bool:
        """Whether to publish this message with `mandatory`, which asks if a queue takes it."""
        now = time.monotonic()
        if now < self._next.get(destination, 0.0):
            return False
        self._next[destination] = now + ASKED_EVERY_S
        return True

    def record(self, destination: Destination, *, is_heard: bool) -> None:
        """Record what became of a mandatory message; logged when it changes."""
        exchange, key = destination
        if is_heard:
            if destination in self._unheard:
                log.info("broker.routable", exchange=exchange, routing_key=f"{key}.#")
            self._unheard.discard(destination)
        elif destination not in self._unheard:
            self._unheard.add(destination)
            log.warning(
                "broker.unroutable", exchange=exchange, routing_key=f"{key}.#",
                hint="no queue is bound for these, so that the broker drops them; bind one if somebody is to have them",
            )  # fmt: skip

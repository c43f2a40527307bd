"""Wakes loops that wait for work: within this process by events, in other processes by LISTEN/NOTIFY."""

import asyncio
import contextlib
import secrets
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from service.ledger.database.sets import Writes
from service.ledger.database.transaction import Transaction

PG_CHANNEL: Final = "stagebell"
UNKNOWN_TOPIC: Final = "unknown_messages"
HOLDS_TOPIC: Final = "holds"
WORDS_TOPIC: Final = "words"
TALK_TOPIC: Final = "talk"


class Wakeups:
    """Events by topic: `dispatch.<channel>`, `dispatch.<channel>.codes`, `relay`, `clock`, `escalation_stream`,
    `holds`, `words`, `talk`, `waiting_events`, and `unknown_messages`."""

    def __init__(self) -> None:
        self.origin = f"from:{secrets.token_hex(4)}"
        self._events: dict[str, list[asyncio.Event]] = defaultdict(list)

    def subscribe(self, topic: str) -> asyncio.Event:
        """An event that is set whenever there may be work; the waiting loop clears it."""
        event = asyncio.Event()
        self._events[topic].append(event)
        return event

    @contextlib.contextmanager
    def subscribed(self, topic: str) -> Iterator[asyncio.Event]:
        """Like `subscribe`, for the duration of the block."""
        event = self.subscribe(topic)
        try:
            yield event
        finally:
            self._events[topic].remove(event)

    def wake(self, topics: Iterable[str]) -> None:
        """Wake the loops of these topics."""
        for topic in topics:
            for event in self._events[topic]:
                event.set()

    def wake_all(self) -> None:
        """Wake all loops: after an outage, and before the end."""
        self.wake(list(self._events))


def dispatch_topic(channel: str, *, codes: bool = False) -> str:
    """The topic of a channel's loop, for codes or for everything else."""
    return f"dispatch.{channel}.codes" if codes else f"dispatch.{channel}"


def announcement(topics: Collection[str], origin: str) -> tuple[str, str] | None:
    """The notification for `Writes.run` that wakes other processes' loops at the commit; None without topics."""
    return (PG_CHANNEL, ",".join([*sorted(topics), origin])) if topics else None


async def announce(tx: Transaction, topics: Collection[str], origin: str) -> None:
    """Wake the loops of other processes when this transaction commits (PostgreSQL only)."""
    await Writes().run(tx, announcement(topics, origin))

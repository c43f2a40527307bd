"""Loops sleep until there is work: woken in this process by an event, across processes by LISTEN/NOTIFY."""

import asyncio
import contextlib
import secrets
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any, Final

import asyncpg
import structlog
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection

log = structlog.get_logger(__name__)
PG_CHANNEL: Final = "stagebell"
RECONNECT_S: Final = 2.0


class Wakeups:
    """Events by topic: `dispatch.<channel>`, `relay`, `clock`, `stream`."""

    def __init__(self) -> None:
        self.origin = f"from:{secrets.token_hex(4)}"
        self._events: dict[str, list[asyncio.Event]] = defaultdict(list)

    def subscribe(self, topic: str) -> asyncio.Event:
        """An event that is set whenever there may be work; the sleeper clears it."""
        event = asyncio.Event()
        self._events[topic].append(event)
        return event

    def wake(self, topics: Iterable[str]) -> None:
        """There may be work for these."""
        for topic in topics:
            for event in self._events[topic]:
                event.set()

    def wake_all(self) -> None:
        """There may be work for everybody: after an outage, before the end."""
        self.wake(list(self._events))


def dispatch_topic(channel: str) -> str:
    """The topic of one channel's loops: news of another channel need not wake them."""
    return f"dispatch.{channel}"


async def announce(connection: AsyncConnection, topics: Collection[str], origin: str) -> None:
    """Wake the loops of other processes when this transaction commits (PostgreSQL only)."""
    if topics and connection.dialect.name == "postgresql":
        said = ",".join([*sorted(topics), origin])
        await connection.execute(_NOTIFY, {"channel": PG_CHANNEL, "topics": said})


_NOTIFY: Final = text("SELECT pg_notify(:channel, :topics)")


async def listen(url: str, wakeups: Wakeups) -> None:
    """Pass on what other processes announce, for ever; a lost connection is made again."""

    def heard(_connection: Any, _pid: int, _channel: str, payload: str) -> None:
        topics = payload.split(",")
        # What this process announced it has done itself: waking again for it would be to look in vain.
        if wakeups.origin not in topics:
            wakeups.wake(topics)

    dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    while True:
        connection: Any = None
        try:
            connection = await asyncpg.connect(dsn, timeout=5)
            closed = asyncio.Event()
            connection.add_termination_listener(lambda _c, closed=closed: closed.set())
            await connection.add_listener(PG_CHANNEL, heard)
            wakeups.wake_all()
            await closed.wait()
            log.warning("listen.lost", retry_in_s=RECONNECT_S)
        except (OSError, asyncpg.PostgresError, TimeoutError, asyncpg.InterfaceError) as error:
            log.warning("listen.failed", error=type(error).__name__, retry_in_s=RECONNECT_S)
        finally:
            if connection is not None and not connection.is_closed():
                with contextlib.suppress(Exception):
                    await connection.close(timeout=1)
        await asyncio.sleep(RECONNECT_S)

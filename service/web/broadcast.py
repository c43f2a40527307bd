"""Escalations live: one reader of the stream for the process, any number of listeners, slow ones let go."""

import asyncio
import contextlib
from typing import Final

import msgspec
import structlog
from msgspec import Struct

from service.core import Core
from service.ledger.engine import is_transient
from service.ledger.escalation_views import stream_after, stream_end

log = structlog.get_logger(__name__)
AT_ONCE: Final = 500
POLL_S: Final = 1.0
# A listener that is this far behind is let go; it comes back with Last-Event-ID and misses nothing.
BACKLOG: Final = 1000


class Line(Struct, frozen=True):
    """One step of an escalation: its number, its kind, and the CloudEvent."""

    seq: int
    kind: str
    body: str

    def is_for(self, team: str, workflow: str) -> bool:
        """Whether a listener with these filters wants it."""
        if not team and not workflow:
            return True
        data = msgspec.json.decode(self.body)["data"]
        return team in ("", data["team"]) and workflow in ("", data["workflow"])


class Listener:
    """A queue of lines; `lost` once it was let go."""

    def __init__(self) -> None:
        self.lines: asyncio.Queue[Line | None] = asyncio.Queue(BACKLOG + 1)
        self.lost = False

    def offer(self, lines: list[Line]) -> bool:
        """Whether the listener keeps up."""
        if self.lines.qsize() + len(lines) > BACKLOG:
            self.lost = True
            self.lines.put_nowait(None)
            return False
        for line in lines:
            self.lines.put_nowait(line)
        return True


class Broadcaster:
    """Reads the stream as it grows and hands each line to every listener."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._listeners: set[Listener] = set()
        self._wake = core.wakeups.subscribe("stream")
        self._last = 0

    async def run(self) -> None:
        """Until cancelled."""
        ready = False
        while True:
            try:
                self._wake.clear()
                if not ready:
                    async with self._core.ledger.reading() as connection:
                        self._last = await stream_end(connection)
                    ready = True
                lines = await self.after(self._last) if self._listeners else await self._skip()
                self._hand_out(lines)
                if len(lines) == AT_ONCE:
                    continue
            except Exception as error:
                if not is_transient(error):
                    log.exception("stream.failed")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._wake.wait()

    async def _skip(self) -> list[Line]:
        async with self._core.ledger.reading() as connection:
            self._last = await stream_end(connection)
        return []

    def _hand_out(self, lines: list[Line]) -> None:
        if not lines:
            return
        self._last = lines[-1].seq
        for listener in list(self._listeners):
            if not listener.offer(lines):
                self._listeners.discard(listener)

    async def after(self, seq: int, limit: int = AT_ONCE) -> list[Line]:
        """Lines with higher numbers."""
        async with self._core.ledger.reading() as connection:
            return [Line(*row) for row in await stream_after(connection, seq, limit)]

    @property
    def last(self) -> int:
        """The newest number that was handed out."""
        return self._last

    def join(self) -> Listener:
        """Listen from now on."""
        listener = Listener()
        self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """Listen no more."""
        self._listeners.discard(listener)

    def close(self) -> None:
        """Let everybody go: the process ends."""
        for listener in self._listeners:
            listener.lost = True
            with contextlib.suppress(asyncio.QueueFull):
                listener.lines.put_nowait(None)
        self._listeners.clear()

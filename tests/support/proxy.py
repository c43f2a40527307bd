"""A TCP proxy that can be cut, silenced and restored: the network between two parts."""

import asyncio
import contextlib

from tests.support.lost_answers import DICE
from tests.support.ports import free_port

# CommandComplete with the tag COMMIT; PostgreSQL's protocol 3.0, "Message Formats".
COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00"


class Proxy:
    """Forwards bytes to `host:port` from its own port."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._to = host, port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.stalled = asyncio.Event()
        self.stalled.set()
        # How often a PostgreSQL connection breaks after the server's commit and before the client's confirmation.
        self.forgets_commits = 0.0
        self.forgotten = 0
        self._met = 0
        self._silent_until = 0

    async def start(self) -> None:
        """Listen, on a port that stays reserved while the proxy is cut."""
        self.port = self.port or free_port()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(self._host, self._to)
        except OSError:
            writer.close()
            return
        self._writers |= {writer, back}
        self._met += 1
        for source, sink, answers in ((reader, back, False), (there, writer, True)):
            task = asyncio.create_task(self._pass(source, sink, answers, self._met))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: bool, number: int
    ) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            while data := await reader.read(65536):
                await self.stalled.wait()
                if number <= self._silent_until:
                    await asyncio.Event().wait()
                if answers and COMMITTED in data and DICE.random() < self.forgets_commits:
                    self.forgotten += 1
                    break
                writer.write(data)
                await writer.drain()
        with contextlib.suppress(Exception):
            writer.close()
        self._writers.discard(writer)

    def silence(self) -> None:
        """Stop forwarding on existing connections without closing them; new ones are forwarded."""
        self._silent_until = self._met

    async def drop(self) -> None:
        """Close every connection; new ones are accepted."""
        for writer in list(self._writers):
            with contextlib.suppress(Exception):
                writer.transport.abort()
        self._writers.clear()

    async def cut(self) -> None:
        """Close everything and stop listening."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self.drop()

    async def mend(self) -> None:
        """Listen again on the same port."""
        if self._server is None:
            await self.start()

    async def close(self) -> None:
        """Stop."""
        self.stalled.set()
        await self.cut()
        for task in list(self._tasks):
            task.cancel()

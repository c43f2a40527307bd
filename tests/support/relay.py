"""A scripted mail relay: at each step an answer, silence, slow bytes or a closed connection."""

import asyncio
from dataclasses import dataclass, field

HANG = "hang"
CLOSE = "close"
DRIP = "drip"
USUAL = {
    "connect": "220 relay.example ESMTP",
    "STARTTLS": "220 go ahead",
    "AUTH": "235 2.7.0 welcome",
    "MAIL": "250 2.1.0 Ok",
    "RCPT": "250 2.1.5 Ok",
    "DATA": "354 go on",
    "body": "250 2.0.0 Ok: queued",
    "RSET": "250 2.0.0 Ok",
    "HELO": "250 relay.example",
    "QUIT": "221 2.0.0 Bye",
}


@dataclass
class Taken:
    """A mail received completely, and whether the relay accepted it."""

    sender: str
    to: str
    content: bytes
    accepted: bool


@dataclass
class Relay:
    """`says`: by step (connect, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, body, RSET) an answer, HANG, CLOSE or DRIP."""

    says: dict[str, str] = field(default_factory=dict)
    offers: tuple[str, ...] = ("PIPELINING", "8BITMIME", "AUTH PLAIN LOGIN")
    drip_s: float = 0.1
    connections: int = 0
    open: int = 0
    mails: list[Taken] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    port: int = 0

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self._silenced: set[int] = set()
        self._ended = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = self._server.sockets[0].getsockname()[1]

    @property
    def url(self) -> str:
        """The value for STAGEBELL_SMTP_URL."""
        return f"smtp://127.0.0.1:{self.port}"

    def go_silent(self) -> None:
        """Existing connections get no answers any more and are not closed, as with a firewall that lost their state."""
        self._silenced = set(range(1, self.connections + 1))

    def hang_up(self) -> None:
        """Close every connection, like a restarted relay."""
        for writer in list(self._writers):
            writer.close()

    def accepted(self) -> list[Taken]:
        """The accepted mails."""
        return [m for m in self.mails if m.accepted]

    async def close(self) -> None:
        """Stop listening, and close all connections."""
        self._ended.set()
        self._server.close()
        self.hang_up()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        number = self.connections
        self._writers.add(writer)
        try:
            await self._session(reader, writer, number)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            self.open -= 1
            self._writers.discard(writer)
            writer.close()

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        envelope = {"MAIL": "", "RCPT": ""}
        await self._say("connect", writer, number)
        while line := await reader.readline():
            text = line.decode("utf-8", "replace").strip()
            verb = text.partition(" ")[0].upper()
            self.commands.append(text)
            if verb in envelope:
                envelope[verb] = text.partition(":")[2]
            if verb == "QUIT":
                return
            said = await self._say(verb, writer, number)
            if verb == "DATA" and said.startswith("354"):
                content = await reader.readuntil(b"\r\n.\r\n")
                yes = self.says.get("body", USUAL["body"]).startswith(("2", DRIP))
                self.mails.append(Taken(envelope["MAIL"], envelope["RCPT"], content, yes))
                await self._say("body", writer, number)

    async def _say(self, step: str, writer: asyncio.StreamWriter, number: int) -> str:
        usual = self._greeting() if step == "EHLO" else USUAL.get(step, "500 what?")
        said = self.says.get(step, usual)
        if said == HANG or number in self._silenced:
            await self._ended.wait()
            raise ConnectionResetError
        if said == CLOSE:
            raise ConnectionResetError
        if said == DRIP:
            await asyncio.sleep(self.drip_s)
            said = usual
        writer.write(said.encode() + b"\r\n")
        await writer.drain()
        return said

    def _greeting(self) -> str:
        lines = ["relay.example", *self.offers]
        return "\r\n".join(f"250{' ' if i == len(lines) - 1 else '-'}{line}" for i, line in enumerate(lines))

"""The server for incoming mail, SMTP (RFC 5321) or LMTP (RFC 2033), behind the mail server that is the domain's MX.

One recipient per mail, so that each gets an answer; unknown ones are refused before the mail is sent. Connections,
size and time are bounded; a mail that cannot be stored yet is refused temporarily (451).
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session

from service.mail_in.postbox import Addressee, Postbox

log = structlog.get_logger(__name__)
MOST_CONNECTIONS: Final = 50
MOST_BYTES: Final = 5 * 1024 * 1024
# RFC 5321, §4.5.3.1.6 asks for 1000; bounces bring back HTML of one line, and who is refused for that tells nobody.
LONGEST_LINE: Final = 1024 * 1024
IDLE_S: Final = 60.0
SESSION_S: Final = 300.0
MOST_REFUSED: Final = 20


class _Handler:
    """aiosmtpd's hooks."""

    def __init__(self, postbox: Postbox) -> None:
        self._postbox = postbox
        self.open: set[SMTP] = set()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any
    ) -> str:
        """Accept only addresses that we signed, and those that every domain has."""
        if envelope.rcpt_tos:
            return "452 4.5.3 one recipient a mail; send the others in mails of their own"
        addressee = self._postbox.addressee(address)
        if addressee is None:
            session.refused = getattr(session, "refused", 0) + 1  # type: ignore[attr-defined]
            if session.refused > MOST_REFUSED:  # type: ignore[attr-defined]
                if server.transport is not None:
                    asyncio.get_running_loop().call_soon(server.transport.close)
                return "421 4.7.0 too many unknown recipients"
            return "550 5.1.1 no such address here"
        envelope.rcpt_tos.append(address)
        envelope.addressee = addressee  # type: ignore[attr-defined]
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Accept the mail once it is in the ledger."""
        addressee: Addressee = envelope.addressee  # type: ignore[attr-defined]
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        try:
            await self._postbox.take(addressee, content)
        except Exception as error:
            log.error("mail_in.write_failed", error=type(error).__name__)
            return "451 4.3.0 not now; try again"
        return "250 2.0.0 Ok"

    async def handle_exception(self, error: Exception) -> str:
        """Log the kind of an error in aiosmtpd; never its text."""
        log.warning("mail_in.session_failed", error=type(error).__name__)
        return "451 4.3.0 not now; try again"


class _Bounded(SMTP):
    """Adds to aiosmtpd's idle limit bounds on the number and the duration of connections."""

    line_length_limit = LONGEST_LINE

    def __init__(self, handler: _Handler, **options: Any) -> None:
        self._handler = handler
        self._end: asyncio.TimerHandle | None = None
        super().__init__(handler, **options)

    def connection_made(self, transport: Any) -> None:
        """Accept the connection, or refuse it at once."""
        if len(self._handler.open) >= MOST_CONNECTIONS:
            transport.write(b"421 4.3.2 too many connections; try again\r\n")
            transport.close()
        self._handler.open.add(self)
        self._end = asyncio.get_running_loop().call_later(SESSION_S, transport.abort)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Free its place."""
        self._handler.open.discard(self)
        if self._end:
            self._end.cancel()
        super().connection_lost(error)


class _BoundedLmtp(_Bounded, LMTP):
    """The same, greeted by LHLO."""


async def serve(url: str, postbox: Postbox) -> Callable[[], Coroutine[Any, Any, None]]:
    """Listen at `lmtp://host:port` or `smtp://host:port`; returns what ends it. Raises OSError."""
    parts = urlsplit(url)
    handler = _Handler(postbox)
    kind = _BoundedLmtp if parts.scheme == "lmtp" else _Bounded
    loop = asyncio.get_running_loop()

    def session() -> SMTP:
        return kind(
            handler, data_size_limit=MOST_BYTES, enable_SMTPUTF8=True, hostname="stagebell", ident="Stagebell",
            timeout=IDLE_S, loop=loop,
        )  # fmt: skip

    server = await loop.create_server(session, parts.hostname, parts.port or 0)
    log.info("mail_in.listening", protocol=parts.scheme, port=server.sockets[0].getsockname()[1])

    async def end() -> None:
        server.close()
        for connection in list(handler.open):
            if connection.transport is not None:
                connection.transport.close()

    return end

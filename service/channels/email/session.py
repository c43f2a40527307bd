"""One SMTP connection, step by step, so that it is known at every moment what a failure means for the message.

Before the mail's content is transmitted nothing was sent; from then on the relay may have accepted it.
"""

import contextlib
import re
import ssl
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote, urlsplit

import aiosmtplib
import structlog
from aiosmtplib.errors import (
    SMTPConnectError,
    SMTPException,
    SMTPHeloError,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)
from msgspec import Struct

from service.channels.email.answers import Stage, result_of
from service.channels.port import OutgoingMessage, SendResult
from service.channels.words import cleaned_text
from service.domain.notices import NoAnswer, Permanent, Refused, Transient

log = structlog.get_logger(__name__)
START_INPUT: Final = 354
REFUSALS: Final = range(400, 600)
DEFAULT_PORTS: Final = {"smtp": 25, "smtps": 465, "smtp+starttls": 587}
_LEADING_DOT: Final = re.compile(rb"(?m)^\.")


class MailRelay(Struct, frozen=True):
    """The address and credentials of a relay."""

    scheme: str
    host: str
    port: int
    user: str | None
    password: str | None

    @property
    def name(self) -> str:
        """`smtp:host`, with the port if it is not the scheme's default."""
        return f"smtp:{self.host}" + ("" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}")


@contextlib.contextmanager
def _any_yes() -> Iterator[None]:
    """The first digit decides (RFC 5321, §4.2.1): 252 at RCPT is a success, though aiosmtplib expects 250 or 251."""
    try:
        yield
    except SMTPResponseException as error:
        if error.code // 100 != 2:
            raise


def relay_of(url: str) -> MailRelay:
    """Parse `smtp://`, `smtps://` or `smtp+starttls://user:password@host:port`."""
    parts = urlsplit(url)
    return MailRelay(
        scheme=parts.scheme,
        host=parts.hostname or "localhost",
        port=parts.port or DEFAULT_PORTS[parts.scheme],
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )


class Stopped(Exception):
    """The send has ended; `answer` is its result."""

    def __init__(self, answer: SendResult) -> None:
        super().__init__(type(answer).__name__)
        self.answer = answer


class SmtpSession:
    """A connection with its stage. Every step raises Stopped; the caller bounds the time."""

    def __init__(self, relay: MailRelay, message: OutgoingMessage) -> None:
        self._relay = relay
        self._message = message
        self._client = aiosmtplib.SMTP(
            hostname=relay.host, port=relay.port, use_tls=relay.scheme == "smtps", start_tls=False, timeout=None
        )
        self.stage: Stage = "connect"
        self.used_at = 0.0

    @property
    def is_alive(self) -> bool:
        """Whether the connection is open, as far as known without sending."""
        return self._client.is_connected

    def close(self) -> None:
        """Close the connection without QUIT."""
        self._client.close()

    async def open(self) -> None:
        """Connect, EHLO, STARTTLS, AUTH."""
        with self._step("connect"):
            await self._client.connect()
        await self._greet()
        if self._relay.scheme == "smtp+starttls":
            with self._step("starttls"):
                await self._client.starttls()
            await self._greet()
        if self._relay.user is not None:
            with self._step("auth"):
                await self._client.login(self._relay.user, self._relay.password or "")

    async def _greet(self) -> None:
        with self._step("ehlo"):
            try:
                await self._client.ehlo()
            except SMTPHeloError:
                if not self._client.is_connected:
                    raise
                await self._client.helo()

    async def resume(self, message: OutgoingMessage) -> None:
        """Use an idle connection for another mail; raises Stopped if the relay does not answer."""
        self._message = message
        with self._step("ehlo"):
            await self._client.rset()

    async def address(self, sender: str, recipient: str) -> None:
        """MAIL FROM and RCPT TO; with SMTPUTF8 (RFC 6531) if an address needs it."""
        utf8 = not (sender.isascii() and recipient.isascii())
        if utf8 and not self._client.supports_extension("smtputf8"):
            raise Stopped(self._cannot_carry(recipient))
        encoding = "utf-8" if utf8 else "ascii"
        with self._step("mail"):
            await self._client.mail(sender, options=["SMTPUTF8"] if utf8 else [], encoding=encoding)
        with self._step("rcpt"), _any_yes():
            await self._client.rcpt(recipient, encoding=encoding)

    def _cannot_carry(self, recipient: str) -> Permanent | Refused:
        if recipient.isascii():
            words = "this relay offers no SMTPUTF8, which the sender's address (EMAIL_FROM) needs"
            return Refused(self._relay.name, "smtputf8", words)
        words = "this relay cannot take addresses with letters beyond ASCII: it offers no SMTPUTF8"
        return Permanent(self._relay.name, "smtputf8", words, "unable")

    async def deliver(self, mail: bytes) -> None:
        """DATA and the mail; returns once the relay has accepted it."""
        with self._step("data"):
            response = await self._client.execute_command(b"DATA")
            if response.code != START_INPUT:
                raise SMTPResponseException(response.code, response.message)
            protocol = self._client.protocol
            if protocol is None:
                raise SMTPServerDisconnected("Connection lost")
        with self._step("body"):
            protocol.write(_LEADING_DOT.sub(b"..", mail) + b".\r\n")
            response = await protocol.read_response()
            if not 200 <= response.code < 300:
                raise SMTPResponseException(response.code, response.message)

    async def quit(self) -> None:
        """QUIT and close; never raises."""
        with contextlib.suppress(SMTPException, OSError, TimeoutError):
            await self._client.quit(timeout=1)
        self.close()

    @contextlib.contextmanager
    def _step(self, stage: Stage) -> Iterator[None]:
        self.stage = stage
        try:
            yield
        except SMTPResponseException as error:
            text = error.message if isinstance(error.message, str) else ""
            if error.code not in REFUSALS:
                # An answer of another class is out of step; the next one would be taken for another command's.
                self.close()
            raise Stopped(result_of(self._relay.name, stage, error.code, self._discreet(text), self._message)) from None
        except Exception as error:
            raise Stopped(self._broken(stage, error)) from None

    def _discreet(self, text: str) -> str:
        """Remove our user name and password, which a relay may echo."""
        for private in (self._relay.user, self._relay.password):
            text = text.replace(private, "…") if private else text
        return text

    def _broken(self, stage: Stage, error: Exception) -> SendResult:
        """The result for an error other than an SMTP answer."""
        name, kind = self._relay.name, type(error).__name__
        expected = isinstance(error, SMTPException | OSError | TimeoutError)
        if not expected:
            log.error("smtp.unexpected", relay=name, stage=stage, error=kind)
        if stage == "body":
            return NoAnswer(name, kind)
        tls = error if isinstance(error, ssl.SSLError) else error.__cause__
        if isinstance(tls, ssl.SSLError) and not isinstance(tls, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            problem = getattr(tls, "verify_message", "") or tls.reason or "the handshake failed"
            return Refused(name, "tls", f"TLS with the relay: {cleaned_text(str(problem))}")
        lost = isinstance(error, SMTPServerDisconnected | SMTPTimeoutError | SMTPConnectError | OSError | TimeoutError)
        if stage in ("starttls", "auth") and expected and not lost:
            return Refused(name, stage, cleaned_text(self._discreet(str(error))))
        return Transient(name, "connect", f"{kind} at {stage.upper()}")

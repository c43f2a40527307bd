"""One connection to a mail relay, a step at a time: at every moment it is known what a failure means.

Until the mail's own bytes are handed over nothing was sent; from then on the relay may have taken it.
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
from service.channels.words import words_of
from service.domain.notices import NoAnswer, Permanent, Refused, Transient

log = structlog.get_logger(__name__)
START_INPUT: Final = 354
REFUSALS: Final = range(400, 600)
DEFAULT_PORTS: Final = {"smtp": 25, "smtps": 465, "smtp+starttls": 587}
_LEADING_DOT: Final = re.compile(rb"(?m)^\.")


class MailRelay(Struct, frozen=True):
    """Where a relay is and how to sign in there."""

    scheme: str
    host: str
    port: int
    user: str | None
    password: str | None

    @property
    def name(self) -> str:
        """`smtp:host`, with the port where it is not the scheme's own."""
        return f"smtp:{self.host}" + ("" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}")


@contextlib.contextmanager
def _any_yes() -> Iterator[None]:
    """The first digit decides (RFC 5321, §4.2.1): 252 at RCPT is a yes, too, though aiosmtplib asks for 250 or 251."""
    try:
        yield
    except SMTPResponseException as error:
        if error.code // 100 != 2:
            raise


def relay_of(url: str) -> MailRelay:
    """`smtp://`, `smtps://` or `smtp+starttls://user:password@host:port`."""
    parts = urlsplit(url)
    return MailRelay(
        scheme=parts.scheme,
        host=parts.hostname or "localhost",
        port=parts.port or DEFAULT_PORTS[parts.scheme],
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )


class Stopped(Exception):
    """It goes no further; `answer` says what that means for the message."""

    def __init__(self, answer: SendResult) -> None:
        super().__init__(type(answer).__name__)
        self.answer = answer


class SmtpSession:
    """A connection, and how far it has come. Every step raises Stopped; times are bounded by the caller."""

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
        """As far as is known without asking."""
        return self._client.is_connected

    def close(self) -> None:
        """Let go of the connection without a word."""
        self._client.close()

    async def open(self) -> None:
        """Connect, greet, secure, sign in."""
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
        """Take a kept connection for another mail, if the relay still answers on it."""
        self._message = message
        with self._step("ehlo"):
            await self._client.rset()

    async def address(self, sender: str, recipient: str) -> None:
        """MAIL FROM and RCPT TO; with SMTPUTF8 (RFC 6531) where an address needs it."""
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
        """DATA, then the mail; returns once the relay has taken it."""
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
        """Say goodbye; never raises."""
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
                # Whoever answers so is out of step with us: its next answer would be taken for another's.
                self.close()
            raise Stopped(result_of(self._relay.name, stage, error.code, self._discreet(text), self._message)) from None
        except Exception as error:
            raise Stopped(self._broken(stage, error)) from None

    def _discreet(self, text: str) -> str:
        """A relay may echo what it received: removes our user name and password."""
        for private in (self._relay.user, self._relay.password):
            text = text.replace(private, "…") if private else text
        return text

    def _broken(self, stage: Stage, error: Exception) -> SendResult:
        """What an error other than an answer means."""
        name, kind = self._relay.name, type(error).__name__
        expected = isinstance(error, SMTPException | OSError | TimeoutError)
        if not expected:
            log.error("smtp.unexpected", relay=name, stage=stage, error=kind)
        if stage == "body":
            return NoAnswer(name, kind)
        tls = error if isinstance(error, ssl.SSLError) else error.__cause__
        if isinstance(tls, ssl.SSLError) and not isinstance(tls, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            said = getattr(tls, "verify_message", "") or tls.reason or "the handshake failed"
            return Refused(name, "tls", f"TLS with the relay: {words_of(str(said))}")
        lost = isinstance(error, SMTPServerDisconnected | SMTPTimeoutError | SMTPConnectError | OSError | TimeoutError)
        if stage in ("starttls", "auth") and expected and not lost:
            return Refused(name, stage, words_of(self._discreet(str(error))))
        return Transient(name, "connect", f"{kind} at {stage.upper()}")

"""Email through aiosmtplib, over connections that are kept.

MAIL, RCPT and DATA are given one by one, as only then it is known what a broken connection means: before
DATA nothing was sent; from DATA on the mail may have been taken. The Message-ID is the notification's, so
that a second try is recognisable as the same mail.
"""

import asyncio
import contextlib
import re
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, parseaddr
from typing import Final
from urllib.parse import unquote, urlsplit

import aiosmtplib
from aiosmtplib.errors import (
    SMTPAuthenticationError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
)

from service.dispatch.channels.port import Outgoing, SendAnswer
from service.domain.events import clean
from service.domain.notices import Accepted, Lookup, NoAnswer, Permanent, Transient

KEPT_CONNECTIONS: Final = 10
# Greylisting wants about 5 minutes (RFC 6647, §5).
GREYLISTED_S: Final = 300.0
GREYLIST_CODES: Final = (450, 451)
MISCONFIGURED_S: Final = 60.0
PERMANENT: Final = 500
# Nothing that could end an SMTP command early: no blanks, brackets, quotes or control characters.
_ADDRESS = re.compile(r"^[^\s<>()\[\]\\,;:\"@\x00-\x1f\x7f-\x9f]{1,64}@[^\s<>()\[\]\\,;:\"@\x00-\x1f\x7f-\x9f]{1,255}$")


class SmtpProvider:
    """One mail relay."""

    def __init__(self, url: str, sender: str, timeout_s: float) -> None:
        parts = urlsplit(url)
        self._tls = parts.scheme == "smtps"
        self._starttls = parts.scheme == "smtp+starttls"
        self._host = parts.hostname or "localhost"
        self._port = parts.port or (465 if self._tls else 587 if self._starttls else 25)
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._timeout_s = timeout_s
        self._from = sender
        self.sender = parseaddr(sender)[1]
        self.name = f"smtp:{self._host}"
        self._idle: list[aiosmtplib.SMTP] = []
        self._slots = asyncio.Semaphore(KEPT_CONNECTIONS)

    async def send(self, message: Outgoing) -> SendAnswer:
        """Hand the mail to the relay."""
        if not _ADDRESS.match(message.address):
            return Permanent(self.name, "address", "not an email address", "bad_address")
        try:
            mail = self._mail(message)
        except (ValueError, UnicodeError) as error:
            return Permanent(self.name, "message", f"cannot be written as mail: {type(error).__name__}")
        async with self._slots:
            return await self._transmit(message.address, mail)

    def _mail(self, message: Outgoing) -> bytes:
        mail = EmailMessage(policy=SMTP_POLICY)
        mail["From"] = self._from
        mail["To"] = message.address
        mail["Subject"] = clean(message.rendered.title)
        mail["Date"] = format_datetime(datetime.now(UTC))
        mail["Message-ID"] = f"<{message.notification_id}@{self.sender.rpartition('@')[2] or 'localhost'}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.rendered.text)
        if message.rendered.html:
            mail.add_alternative(message.rendered.html, subtype="html")
        if message.attachment:
            mail.add_attachment(message.attachment.text, subtype="csv", filename=message.attachment.name)
        return mail.as_bytes()

    async def _transmit(self, address: str, mail: bytes) -> SendAnswer:
        try:
            client = await self._ready(address)
        except SMTPAuthenticationError as error:
            return Transient(self.name, str(error.code), "the relay refused our user name or password", MISCONFIGURED_S)
        except SMTPResponseException as error:
            return self._refusal(error)
        except (SMTPException, OSError, TimeoutError, ssl.SSLError) as error:
            return Transient(self.name, "connect", type(error).__name__)
        answer: SendAnswer
        try:
            async with asyncio.timeout(self._timeout_s):
                await client.data(mail)
            answer = Accepted(self.name)
        except SMTPResponseException as error:
            answer = self._refusal(error)
        except (SMTPException, OSError, TimeoutError) as error:
            answer = NoAnswer(self.name, type(error).__name__)
        await self._keep_or_close(client, keep=not isinstance(answer, NoAnswer))
        return answer

    async def _ready(self, address: str) -> aiosmtplib.SMTP:
        """A connection that has taken sender and recipient; a kept one may have died, so it gets a successor."""
        while self._idle:
            client = self._idle.pop()
            try:
                return await self._address(client, address)
            except SMTPResponseException:
                raise
            except (SMTPException, OSError, TimeoutError):
                client.close()
        return await self._address(await self._connect(), address)

    async def _connect(self) -> aiosmtplib.SMTP:
        client = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            username=self._user,
            password=self._password,
            use_tls=self._tls,
            start_tls=self._starttls,
            timeout=self._timeout_s,
        )
        async with asyncio.timeout(self._timeout_s):
            await client.connect()
        return client

    async def _address(self, client: aiosmtplib.SMTP, address: str) -> aiosmtplib.SMTP:
        try:
            async with asyncio.timeout(self._timeout_s):
                await client.mail(self.sender)
                await client.rcpt(address)
        except SMTPResponseException:
            await self._keep_or_close(client, keep=True)
            raise
        except BaseException:
            client.close()
            raise
        return client

    async def _keep_or_close(self, client: aiosmtplib.SMTP, *, keep: bool) -> None:
        if keep and client.is_connected and len(self._idle) < KEPT_CONNECTIONS:
            with contextlib.suppress(SMTPException, OSError, TimeoutError):
                await client.rset(timeout=5)
                self._idle.append(client)
                return
        client.close()

    def _refusal(self, error: SMTPResponseException) -> SendAnswer:
        words = f"SMTP {error.code}"
        if error.code < PERMANENT:
            wait = GREYLISTED_S if error.code in GREYLIST_CODES else 0.0
            return Transient(self.name, str(error.code), words, wait)
        kind = "bad_address" if isinstance(error, SMTPRecipientRefused) else "refused"
        return Permanent(self.name, str(error.code), words, kind)  # type: ignore[arg-type]

    async def find(self, message: Outgoing, others: frozenset[str]) -> Accepted | Lookup:
        """Mail cannot be asked after."""
        return Lookup()

    async def close(self) -> None:
        """Say goodbye on all kept connections."""
        for client in self._idle:
            with contextlib.suppress(SMTPException, OSError, TimeoutError):
                await client.quit(timeout=1)
        self._idle.clear()

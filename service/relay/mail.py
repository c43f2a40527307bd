"""Report mails: a short text and a CSV file."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import structlog

from service.keyring import Keyring, SealBroken
from service.ledger.messages.outbox import SEND_WITHIN_S, OutboxMessage
from service.ledger.messages.tables import REPORT_MAIL
from service.report_mail import ReportMail

log = structlog.get_logger(__name__)


class MailTransport:
    """Sends report mails from the outbox, where they are sealed, as they contain addresses."""

    def __init__(self, keyring: Keyring, post: Callable[[ReportMail, str], Awaitable[bool]] | None) -> None:
        self._keyring = keyring
        self._post = post

    def _mail(self, message: OutboxMessage) -> ReportMail:
        plain = self._keyring.unseal(message.body, REPORT_MAIL.of(message.message_id))
        return msgspec.json.decode(plain, type=ReportMail)

    async def send(self, message: OutboxMessage) -> bool:
        """Whether it is done: a mail server accepted it, or refused it for good."""
        try:
            mail = self._mail(message)
        except (SealBroken, msgspec.DecodeError):
            log.error("report.unreadable", message_id=message.message_id)
            return True
        if self._post is None:
            log.warning("report.captured", message_id=message.message_id, hint="set SMTP_URL and EMAIL_FROM")
            return True
        try:
            async with asyncio.timeout(SEND_WITHIN_S):
                return await self._post(mail, message.message_id)
        except TimeoutError:
            log.warning("report.send_failed", message_id=message.message_id, why="no relay took it in time")
            return False

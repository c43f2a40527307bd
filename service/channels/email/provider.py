"""Email through aiosmtplib, over connections that are kept.

A send is bounded as a whole, waiting for a place included, so that it never outlives its lease; where it stops says
whether the mail may have left. A relay that let one kept connection die has let the older ones die too.
"""

import asyncio
from typing import Final

from service.channels.email.answers import CLOSING
from service.channels.email.message import mail_of
from service.channels.email.session import SmtpSession, Stopped, relay_of
from service.channels.port import OutgoingMessage, SendResult, chosen_sender
from service.domain.notices import Accepted, Lookup, NoAnswer, Permanent, Transient
from service.mail_address import canonical_mail, sender_of

KEPT_CONNECTIONS: Final = 10
# Servers wait 5 minutes for the next command (RFC 5321, §4.5.3.2.7), pressed ones 10 s (Postfix, smtpd_timeout).
KEPT_FOR_S: Final = 60.0
# How long a kept connection may take to show that it lives, of the time that the send has.
KEPT_PATIENCE: Final = 0.2


class SmtpProvider:
    """One mail relay. `kept_for_s`: how long an idle connection is kept, in seconds."""

    def __init__(self, url: str, sender: str, timeout_s: float, kept_for_s: float = KEPT_FOR_S) -> None:
        self._relay = relay_of(url)
        self._timeout_s = timeout_s
        self._kept_for_s = kept_for_s
        self._sender_name, self.sender = sender_of(sender)
        # A brand's mails come from the same mailbox by whichever relay.
        self.place = 0
        self.name = self._relay.name
        # The one used last at the end.
        self._idle: list[SmtpSession] = []
        self._slots = asyncio.Semaphore(KEPT_CONNECTIONS)

    async def send(self, message: OutgoingMessage) -> SendResult:
        """Hand the mail to the relay, within the time given in all."""
        try:
            recipient = canonical_mail(message.address)
        except ValueError as error:
            return Permanent(self.name, "address", str(error), "bad_address")
        try:
            mail = mail_of(message, *self._from(message), recipient)
        except (ValueError, UnicodeError, LookupError) as error:
            return Permanent(self.name, "message", f"cannot be written as mail: {type(error).__name__}")
        attempt = _Attempt()
        try:
            async with asyncio.timeout(self._timeout_s), self._slots:
                return await self._transmit(attempt, message, recipient, mail)
        except TimeoutError:
            return self._too_late(attempt)

    def _from(self, message: OutgoingMessage) -> tuple[str, str]:
        """Name and address of the sender."""
        chosen = chosen_sender(self, message)
        name, address = sender_of(chosen) if chosen else ("", self.sender)
        return name or message.mail.from_name or self._sender_name, address

    async def _transmit(self, attempt: "_Attempt", message: OutgoingMessage, recipient: str, mail: bytes) -> SendResult:
        try:
            session = await self._addressed(attempt, message, recipient)
            await session.deliver(mail)
        except Stopped as stopped:
            self._keep(attempt.session, stopped.answer)
            return stopped.answer
        except BaseException:
            attempt.close()
            raise
        answer = Accepted(self.name)
        self._keep(session, answer)
        return answer

    async def _addressed(self, attempt: "_Attempt", message: OutgoingMessage, recipient: str) -> SmtpSession:
        """A connection that has taken sender and recipient."""
        if (kept := await self._kept(attempt, message)) is not None:
            try:
                await kept.address(message.mail.bounce_to or self._from(message)[1], recipient)
                return kept
            except Stopped as stopped:
                # So a relay ends a connection that has carried enough, or was idle for too long.
                if not _is_closing(stopped.answer):
                    raise
                kept.close()
        attempt.session = session = SmtpSession(self._relay, message)
        await session.open()
        await session.address(message.mail.bounce_to or self._from(message)[1], recipient)
        return session

    async def _kept(self, attempt: "_Attempt", message: OutgoingMessage) -> SmtpSession | None:
        """A kept connection on which the relay still answers; after one that is dead, the older ones go too."""
        now = asyncio.get_running_loop().time()
        while self._idle and now - self._idle[0].used_at > self._kept_for_s:
            self._idle.pop(0).close()
        if not self._idle:
            return None
        attempt.session = session = self._idle.pop()
        try:
            async with asyncio.timeout(self._timeout_s * KEPT_PATIENCE):
                await session.resume(message)
            return session
        except (Stopped, TimeoutError):
            session.close()
        dead = [s for s in self._idle if s.used_at <= session.used_at]
        self._idle = [s for s in self._idle if s.used_at > session.used_at]
        for other in dead:
            other.close()
        return None

    def _keep(self, session: SmtpSession | None, answer: SendResult) -> None:
        """Keep the connection for the next mail, unless its state is not known."""
        if session is None:
            return
        known = session.stage in ("mail", "rcpt", "data", "body") and not isinstance(answer, NoAnswer)
        if not known or not session.is_alive or len(self._idle) >= KEPT_CONNECTIONS:
            session.close()
            return
        session.used_at = asyncio.get_running_loop().time()
        self._idle.append(session)

    def _too_late(self, attempt: "_Attempt") -> SendResult:
        within = f"within {self._timeout_s:g} s"
        if attempt.session is None:
            return Transient(self.name, "busy", f"no connection to the relay came free {within}")
        if attempt.session.stage == "body":
            return NoAnswer(self.name, f"no answer to the mail {within}")
        return Transient(self.name, "connect", f"no answer at {attempt.session.stage.upper()} {within}")

    async def find(self, message: OutgoingMessage, others: frozenset[str]) -> Accepted | Lookup:
        """Mail cannot be asked after."""
        return Lookup()

    async def close(self) -> None:
        """Say goodbye on all kept connections, at the same time."""
        idle, self._idle = self._idle, []
        await asyncio.gather(*(session.quit() for session in idle))


class _Attempt:
    """How far a send has come: the connection that it uses, if it has got one."""

    def __init__(self) -> None:
        self.session: SmtpSession | None = None

    def close(self) -> None:
        """Let go of a connection whose state is not known."""
        if self.session is not None:
            self.session.close()


def _is_closing(answer: SendResult) -> bool:
    return isinstance(answer, Transient) and answer.code in ("connect", str(CLOSING))

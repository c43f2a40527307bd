"""Email through aiosmtplib, over pooled connections.

The time limit covers a send as a whole, including the wait for a free connection, so that it never outlives its
lease; the stage reached tells whether the mail may have been sent. Behind a dead idle connection older ones are dead.
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
# Servers wait 5 minutes for the next command (RFC 5321, §4.5.3.2.7), busy ones 10 s (Postfix, smtpd_timeout).
KEPT_FOR_S: Final = 60.0
# The share of the send's time that checking an idle connection may take.
KEPT_PATIENCE: Final = 0.2


class SmtpProvider:
    """One mail relay. `kept_for_s`: for how long an idle connection is kept, in seconds."""

    def __init__(self, url: str, sender: str, timeout_s: float, kept_for_s: float = KEPT_FOR_S) -> None:
        self._relay = relay_of(url)
        self._timeout_s = timeout_s
        self._kept_for_s = kept_for_s
        self._sender_name, self.sender = sender_of(sender)
        # A brand's sender is the same mailbox with every relay.
        self.place = 0
        self.name = self._relay.name
        # Idle connections, the one used last at the end.
        self._idle: list[SmtpSession] = []
        self._slots = asyncio.Semaphore(KEPT_CONNECTIONS)

    async def send(self, message: OutgoingMessage) -> SendResult:
        """Send the mail through the relay, within the time limit."""
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
        """A connection on which the relay has accepted sender and recipient."""
        if (kept := await self._kept(attempt, message)) is not None:
            try:
                await kept.address(message.mail.bounce_to or self._from(message)[1], recipient)
                return kept
            except Stopped as stopped:
                # Relays end a connection after a number of mails, or when it was idle for too long.
                if not _is_closing(stopped.answer):
                    raise
                kept.close()
        attempt.session = session = SmtpSession(self._relay, message)
        await session.open()
        await session.address(message.mail.bounce_to or self._from(message)[1], recipient)
        return session

    async def _kept(self, attempt: "_Attempt", message: OutgoingMessage) -> SmtpSession | None:
        """An idle connection on which the relay still answers; if one is dead, older ones are discarded too."""
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
        """Keep the connection for the next mail, unless its state is unknown."""
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
        """Mail cannot be looked up."""
        return Lookup()

    async def close(self) -> None:
        """Quit all idle connections, concurrently."""
        idle, self._idle = self._idle, []
        await asyncio.gather(*(session.quit() for session in idle))


class _Attempt:
    """The progress of a send: its connection, once it has one."""

    def __init__(self) -> None:
        self.session: SmtpSession | None = None

    def close(self) -> None:
        """Close a connection whose state is unknown."""
        if self.session is not None:
            self.session.close()


def _is_closing(answer: SendResult) -> bool:
    return isinstance(answer, Transient) and answer.code in ("connect", str(CLOSING))

"""Processes incoming mail: a bounce settles its message, a complaint is an opt-out, a reply goes to its order.

Only the signed name in the recipient's address proves which message a mail is about. Complaints of mailbox providers
come to an address of their own, and hold the mail they are about, with that name in it.
"""

import asyncio
import re
from datetime import datetime
from hashlib import sha256
from itertools import islice
from typing import Final
from uuid import UUID

import structlog
from msgspec import Struct

from service import conversations, opt_outs
from service.conversations import IncomingReply, legible, with_files
from service.dispatch.mail_links import TOKEN_LENGTH, Purpose, read_mail_token
from service.dispatch.route import ChannelRoute
from service.dispatch.settle import Outcome, Settler
from service.domain.address_keys import address_key
from service.domain.notices import Receipt, RefusedScope
from service.ledger.conversations.finding import is_shared_bundle
from service.ledger.messages import states as rows
from service.ledger.messages.states import StoredMessage
from service.ledger.messages.suppressions import BOUNCED, suppress
from service.ledger.orders.records import history_line
from service.mail_address import canonical_mail
from service.mail_in.letters import LONGEST, Letter
from service.mail_in.reports import DeliveryReport, as_written, read
from service.orders import Orders
from service.telemetry import metrics

log = structlog.get_logger(__name__)
CHANNEL: Final = "email"
# RFC 2142: where people and feedback loops write; RFC 5321, §4.5.1 wants a postmaster everywhere.
COMPLAINTS: Final = frozenset({"complaints", "abuse", "postmaster"})
# A complaint contains a few addresses: thousands would be an attempt to keep us busy.
MOST_NAMES: Final = 1000
# RFC 5321, §4.5.3.1.3: no address is longer.
LONGEST_SENDER: Final = 254
_PURPOSES: Final[dict[str, Purpose]] = {"bounce": "bounce", "reply": "reply"}
_SIGNED: Final = re.compile(rb"(?i)\b(?:(bounce|reply)\+|(u)/)([a-z2-7]{%d})\b" % TOKEN_LENGTH)


class Addressee(Struct, frozen=True):
    """The recipient of a mail. `message`: our message that it is about; None for complaints, which contain that."""

    purpose: str
    message: UUID | None = None


class Postbox:
    """Takes mails in; once taken, they are in the ledger."""

    def __init__(self, orders: Orders, settler: Settler, routes: dict[str, ChannelRoute], domain: str) -> None:
        self._orders = orders
        self._settler = settler
        self._routes = routes
        self._domain = domain

    def addressee(self, address: str) -> Addressee | None:
        """What this recipient address refers to, ignoring case; None for an unknown one."""
        local, at, domain = address.strip("<>").rpartition("@")
        # RFC 5321, §4.5.1: `postmaster` is valid without a domain, too.
        if not at and domain.lower() == "postmaster":
            return Addressee("complaint")
        if not address.isascii() or domain.lower().removesuffix(".") != self._domain:
            return None
        name, _, token = local.lower().partition("+")
        if name in COMPLAINTS:
            return Addressee("complaint")
        purpose = _PURPOSES.get(name)
        if purpose is None:
            return None
        message = read_mail_token(self._orders.keyring, purpose, token)
        return Addressee(purpose, message) if message else None

    async def take(self, addressee: Addressee, content: bytes) -> None:
        """Process the mail; raises what the database raises, so that the sender tries again."""
        # In a thread: a malicious mail may be slow to parse, and the event loop serves pages.
        message = addressee.message or await asyncio.to_thread(self._named_in, content)
        stored = await self._find(message) if message else None
        reader = stored.message.address if stored else ""
        is_bounce = addressee.purpose == "bounce"
        report = await asyncio.to_thread(read, content, is_bounce_address=is_bounce, reader=reader)
        now = self._orders.time.now()
        is_reply = addressee.purpose == "reply" and report.kind == "other"
        if is_reply:
            await self._replied(stored, await asyncio.to_thread(Letter, content), content, now)
        if stored is None:
            if not is_reply:
                log.info("mail_in.dropped", kind=report.kind, why="no message of ours is named")
            return
        if report.kind == "complaint":
            await self._complained(stored, now)
        elif addressee.purpose == "bounce" and report.kind in ("bounced", "delivered", "delayed"):
            await self._reported(stored, report, now)
        log.info("mail_in.accepted", kind=report.kind, to=addressee.purpose, code=report.status,
                 order_id=stored.reference, message_id=str(stored.message.id))  # fmt: skip

    def _named_in(self, content: bytes) -> UUID | None:
        """The first signed id of ours in a complaint: in the bounce address, or in the unsubscribe link."""
        for text in as_written(content):
            for found in islice(_SIGNED.finditer(text), MOST_NAMES):
                purpose: Purpose = "unsubscribe" if found[2] else "bounce" if found[1].lower() == b"bounce" else "reply"
                if message := read_mail_token(self._orders.keyring, purpose, found[3].decode()):
                    return message
        return None

    async def _find(self, message: UUID) -> StoredMessage | None:
        async with self._orders.ledger.reading() as tx:
            return await rows.find(tx, message)

    async def _reported(self, stored: StoredMessage, report: DeliveryReport, now: datetime) -> None:
        n = stored.message
        if report.kind == "delayed":
            why = " ".join(filter(None, ("on its way, not taken yet by the reader's server", report.status)))
            await self._note(stored, history_line("delayed", now, why, code=report.status))
            return
        if report.is_permanent:
            await self._silence(n.address, now, f"{BOUNCED} {report.status}")
        status: Receipt
        if report.kind == "delivered":
            status = Receipt("delivered", "")
        else:
            # A refusal by the receiving server: it holds for that server's readers, not for everything the relay takes.
            about_us: RefusedScope | None = "destination" if report.is_about_us else None
            diagnosis = " ".join(filter(None, (report.status, report.words)))
            status = Receipt("undelivered", "", report.status, f"the mail came back: {diagnosis}", about_us)
        await self._settler.write([Outcome(n.id, n.order_id, status)])
        metrics.receipts.labels(CHANNEL, status.status).inc()

    async def _replied(self, stored: StoredMessage | None, letter: Letter, content: bytes, now: datetime) -> None:
        """Pass a person's text to the order; automatic mail is dropped, and never answered.

        `stored`: the message that they answer; None where it was deleted: their text then waits for a person.
        """
        if letter.is_automatic:
            log.info("mail_in.dropped", kind="automatic", why="no person wrote it (RFC 3834)")
            return
        text = await asyncio.to_thread(_text_of, letter)
        key = f"mail:{letter.name or sha256(content).hexdigest()}"
        if stored is None or not stored.message.address:
            order_id = stored.message.order_id if stored else None
            words = IncomingReply(key, CHANNEL, _canonical(letter.sender), text, order_id=order_id, is_sure=False)
            await conversations.take(self._orders, words)
            return
        n = stored.message
        # The sender is somebody else, to whom the mail was forwarded.
        is_theirs = address_key(_canonical(letter.sender)) == address_key(n.address)
        reply = IncomingReply(
            # One mail may answer messages of several orders.
            key=f"{key}:{n.order_id}",
            channel=CHANNEL,
            address=n.address,
            text=text if is_theirs else f"[{letter.sender[:LONGEST_SENDER] or 'nobody named'}]\n{text}",
            audience=n.audience,
            order_id=n.order_id,
            is_sure=is_theirs and letter.is_clear and not await self._tells_of_others(n.id),
        )
        if await conversations.take(self._orders, reply):
            await self._note(stored, history_line("replied", now, "the reader answered by mail"))

    async def _tells_of_others(self, message: UUID) -> bool:
        async with self._orders.ledger.reading() as tx:
            return await is_shared_bundle(tx, message)

    async def _complained(self, stored: StoredMessage, now: datetime) -> None:
        """A spam complaint suppresses the address."""
        if not (address := stored.message.address):
            return
        senders = [p.sender for p in self._routes[CHANNEL].providers]
        if not await opt_outs.stop(self._orders, CHANNEL, address, senders, "complained of spam"):
            return
        line = history_line("complained", now, "the reader called this mail spam: no more mail goes there")
        await self._note(stored, line)

    async def _silence(self, address: str, now: datetime, why: str) -> None:
        if not address:
            return
        async with self._orders.ledger.transaction() as tx:
            senders = [p.sender for p in self._routes[CHANNEL].providers]
            await suppress(tx, CHANNEL, address, senders, now, why)

    async def _note(self, stored: StoredMessage, line: str) -> None:
        async with self._orders.ledger.transaction() as tx:
            await rows.note(tx, stored.message.id, line)


def _text_of(letter: Letter) -> str:
    return with_files(legible(letter.words, LONGEST), letter.files)


def _canonical(address: str) -> str:
    """The canonical form of an address; empty for what is none."""
    try:
        return canonical_mail(address)
    except ValueError:
        return ""

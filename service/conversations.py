"""Incoming messages: stored once, assigned to the order that they concern, and decided there."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
from msgspec import Struct

from service.domain.causes import MoveReply, ReplyReceived
from service.domain.conversation import ReceivedReply
from service.domain.errors import Rejection
from service.domain.order import OrderRef
from service.domain.scopes import Scope
from service.failpoints import failpoint
from service.ledger.auditing.lines import AuditLine, write_audit
from service.ledger.conversations import reading, writing
from service.ledger.conversations.finding import OrderMatch, find_order
from service.ledger.database.engine import new_uuid
from service.ledger.database.wakeups import TALK_TOPIC
from service.ledger.orders import inbox
from service.orders import NoSuchOrder, Orders
from service.telemetry import metrics
from service.unit_of_work import UnitOfWork

log = structlog.get_logger(__name__)


# Shown in place of a message without readable text.
WITHOUT_WORDS: Final = "[without words]"
# Control characters and lone surrogates, which are removed from texts.
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]+")


def legible(text: str, longest: int) -> str:
    """The text without control characters other than line ends, cut to the limit."""
    return _CONTROL.sub(" ", text.replace("\r\n", "\n")).strip()[:longest]


def with_files(words: str, count: int) -> str:
    """The text, with a note that files came with it, which are not stored."""
    files = f"[{count} file{'' if count == 1 else 's'}, not kept]" if count else ""
    return "\n".join(filter(None, (words, files))) or WITHOUT_WORDS


class IncomingReply(Struct, frozen=True):
    """A message from a person.

    `key`: what its sender calls it, by which a redelivery counts once. `senders`: those of ours that they wrote to.
    `order_id`: of the order whose message they answered, where that is known; `thread`: the provider's name of that
    message. `payload`: the reply that a tap names. `opted_out`: the same message ended messages on this channel.
    `only_known`: it is kept only where it is one of a pack's replies, as it was a word of another kind already.
    `is_sure`: whether it is known who says it, and of which order; else a person reads it.
    """

    key: str
    channel: str
    address: str
    text: str = ""
    payload: str = ""
    audience: str = "customer"
    senders: tuple[str, ...] = ()
    order_id: UUID | None = None
    thread: str = ""
    opted_out: bool = False
    only_known: bool = False
    is_sure: bool = True


async def take(orders: Orders, incoming: IncomingReply) -> ReceivedReply | None:
    """Store the message and decide what it means, in one commit; None if it is a duplicate or not to be stored."""
    key = inbox.key_of(orders.keyring, "reply", incoming.key)
    async with orders.unit_of_work() as u:
        found = OrderMatch(incoming.order_id) if incoming.order_id else None
        if found is None and incoming.address:
            found = await find_order(u.tx, incoming.channel, incoming.address, incoming.thread)
        refs = await u.lock_ids([found.order_id]) if found else {}
        # After locking the order, so that the second delivery of one reply sees the first.
        if not await inbox.record_first(u.tx, key, u.now):
            return None
        await writing.note_heard(u.tx, incoming.channel, incoming.address, incoming.senders, u.now)
        if found is None or found.order_id not in refs:
            return None if incoming.only_known else await _unmatched(u, incoming)
        result = u.decide(refs[found.order_id], _cause(incoming, u.now, found))
        if result.decision is None:
            return await _unmatched(u, incoming)
        if not result.decision.replies:
            return None
        kept = result.decision.replies[-1]
        failpoint("replies.before_commit")
    failpoint("replies.after_commit")
    metrics.replies.labels(incoming.channel, kept.outcome).inc()
    order_id = refs[found.order_id].reference
    log.info("reply.received", channel=incoming.channel, reply=kept.reply, outcome=kept.outcome, order_id=order_id)
    return kept


def _cause(incoming: IncomingReply, now: datetime, found: OrderMatch) -> ReplyReceived:
    return ReplyReceived(
        at=now,
        channel=incoming.channel,
        address=incoming.address,
        text=incoming.text,
        payload=incoming.payload if found.taps else "",
        audience=incoming.audience,
        is_sure=found.is_sure and incoming.is_sure,
        opted_out=incoming.opted_out,
        only_known=incoming.only_known,
    )


async def _unmatched(u: UnitOfWork, incoming: IncomingReply) -> ReceivedReply:
    """Store a message without a known order: it waits in the tray."""
    kept = ReceivedReply(
        new_uuid(), u.now, incoming.channel, incoming.address, "", "", incoming.text or incoming.payload, "", "text"
    )
    await writing.store_unmatched(u.tx, kept)
    u.changes.woken.add(TALK_TOPIC)
    metrics.replies.labels(incoming.channel, "unmatched").inc()
    log.info("reply.unmatched", channel=incoming.channel)
    return kept


async def move(
    orders: Orders, reply_id: UUID, to: OrderRef, by: str, audit: Sequence[AuditLine], *, scope: Scope
) -> ReceivedReply:
    """Assign the message to its order, where it is decided again; raises NoSuchOrder, Rejection."""
    async with orders.unit_of_work() as u:
        row = await reading.find_reply(u.tx, reply_id, scope=scope)
        if row is None:
            raise Rejection("there is no such message")
        held = await u.lock_ids([row.order_id]) if row.order_id else {}
        await u.lock([to])
        if not await u.sees(to, scope):
            raise NoSuchOrder
        was = next(iter(held.values()), None)
        if was == to:
            raise Rejection("it stands in this order already")
        await writing.delete_replies(u.tx, [reply_id])
        cause = ReplyReceived(row.at, row.channel, row.address, row.text, moved_by=by)
        result = u.decide(to, cause)
        if result.decision is None:
            raise result.rejection or Rejection(result.reason)
        if was is not None and (order := u.order(was)):
            workflow = orders.packs.for_order(order.workflow, order.version).workflow
            waits_since = await reading.waits_since(u.tx, order, workflow)
            u.decide(was, MoveReply(u.now, by, to.reference, waits_since))
        await u.write()
        await write_audit(u.tx, audit, u.now)
    return result.decision.replies[-1]

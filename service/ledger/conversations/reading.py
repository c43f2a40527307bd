"""Reads conversations for agents and customers: messages in and out, who is waiting, who is answering."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import and_, or_, select

from service.domain.address_keys import both_forms
from service.domain.conversation import ANSWER
from service.domain.order import Order
from service.domain.scopes import Scope
from service.domain.workflow import Workflow
from service.keyring import Keyring
from service.ledger.conversations.tables import CONVERSATION_AGENT, REPLY_WORDS, conversations, replies
from service.ledger.conversations.writing import Words, person_of
from service.ledger.database.engine import padded
from service.ledger.database.transaction import Transaction
from service.ledger.messages.tables import MESSAGE_WORDS, messages, notices
from service.ledger.orders.records import message_of, snapshot_of, unseal_json
from service.ledger.orders.scoping import of_order, visible
from service.ledger.orders.tables import orders

_words_decoder: Final = msgspec.json.Decoder(Words)


class ConversationMessage(Struct, frozen=True):
    """One message of a conversation. `by`: the agent who answered, or the customer's name; `state`: its outcome.

    `reply`: the workflow's name of the recognised reply; null if a person has to read it.
    """

    id: str
    direction: Literal["in", "out"]
    channel: str
    at: datetime
    text: str
    reply: str | None
    by: str
    state: str
    audience: str = ""


class StoredReply(Struct, frozen=True):
    """An incoming message as it is stored."""

    id: UUID
    order_id: UUID | None
    at: datetime
    channel: str
    address: str
    text: str


class Answering(Struct, frozen=True):
    """Since when the order's people have been waiting, and who is answering them, until when."""

    unanswered_since: datetime | None
    by: str = ""
    until: datetime | None = None


class WaitingConversation(Struct, frozen=True):
    """A conversation in the tray: its last message, and since when it waits; `reply`: the recognised reply."""

    workflow: str
    order_id: str
    since: datetime
    channel: str
    name: str
    text: str
    answering: str
    reply_id: str
    reply: str | None = None


def answers_of(workflow: Workflow) -> frozenset[str]:
    """The notices that are answers: agents' messages, and the automatic answers to replies."""
    automatic = {n for r in workflow.replies.values() for n in (r.answer, r.too_late) if n}
    return frozenset({ANSWER, *automatic})


def _words(keyring: Keyring, row: Any) -> Words:
    return _words_decoder.decode(keyring.unseal(row.sealed_words, REPLY_WORDS.of(row.id)))


async def find_reply(tx: Transaction, reply_id: UUID, *, scope: Scope) -> StoredReply | None:
    """One incoming message, locked for moving; None outside of the scope (those without an order are in none)."""
    row = (await tx.execute(select(replies).where(replies.c.id == reply_id).with_for_update())).one_or_none()
    if row is None:
        return None
    of = [row.order_id] if row.order_id else []
    if not scope.is_everything and not await visible(tx, of, scope=scope):
        return None
    words = _words(tx.keyring, row)
    return StoredReply(row.id, row.order_id, row.at, row.channel, words.address, words.text)


async def conversation(tx: Transaction, order_id: UUID, workflow: Workflow) -> list[ConversationMessage]:
    """All messages of the conversation, oldest first."""
    query = select(replies).where(replies.c.order_id == order_id).order_by(replies.c.at, replies.c.id)
    entries = [_incoming(tx.keyring, row) for row in await tx.execute(query)]
    entries += await answers(tx, order_id, answers_of(workflow))
    return sorted(entries, key=lambda s: (s.at, s.direction))


def _incoming(keyring: Keyring, row: Any) -> ConversationMessage:
    words = _words(keyring, row)
    return ConversationMessage(
        id=str(row.id),
        direction="in",
        channel=row.channel,
        at=row.at,
        text=words.text,
        reply=row.reply or None,
        by=words.name,
        state=row.outcome,
        audience=row.audience,
    )


async def answers(tx: Transaction, order_id: UUID, names: Collection[str]) -> list[ConversationMessage]:
    """The outgoing messages of these notices, oldest first."""
    query = (
        select(messages, notices.c.sealed_snapshot)
        .join(notices, notices.c.id == messages.c.notice_id)
        .where(messages.c.order_id == order_id, messages.c.notice.in_(sorted(names)))
        .order_by(messages.c.id)
    )
    found = []
    for row in await tx.execute(query):
        n = message_of(tx.keyring, row)
        asked = snapshot_of(tx.keyring, row.sealed_snapshot, n.notice_id).asked
        stored = unseal_json(tx.keyring, row.sealed_message, MESSAGE_WORDS.of(n.id)) if row.sealed_message else {}
        text = str(asked.get("text") or stored.get("text", ""))
        by = str(asked.get("by") or "")
        found.append(
            ConversationMessage(str(n.id), "out", n.channel, row.created_at, text, None, by, n.state, n.audience)
        )
    return found


async def answering(tx: Transaction, order_id: UUID, now: datetime) -> Answering:
    """Since when the order's people have been waiting, and who is answering them."""
    row = (await tx.execute(select(conversations).where(conversations.c.order_id == order_id))).one_or_none()
    if row is None:
        return Answering(None)
    by = _agent(tx.keyring, row, now)
    return Answering(row.unanswered_since, by, row.answering_until if by else None)


def _agent(keyring: Keyring, row: Any, now: datetime) -> str:
    if not row.sealed_agent or row.answering_until is None or row.answering_until <= now:
        return ""
    return str(unseal_json(keyring, row.sealed_agent, CONVERSATION_AGENT.of(row.order_id)))


async def waits_since(tx: Transaction, order: Order, workflow: Workflow) -> datetime | None:
    """Since when a message of the order's people has been unanswered; None if all are answered."""
    since = order.conversation.unanswered_since if order.conversation else None
    if since is None:
        return None
    query = (
        select(replies.c.at, replies.c.reply, replies.c.outcome)
        .where(replies.c.order_id == order.id, replies.c.at >= since)
        .order_by(replies.c.at)
    )
    return next((row.at for row in await tx.execute(query) if _waits(workflow, row.reply, row.outcome)), None)


def _waits(workflow: Workflow, name: str, outcome: str) -> bool:
    """Whether this message needs an answer by a person."""
    reply = workflow.replies.get(name)
    if reply is None or outcome == "text":
        return True
    if outcome == "too_late":
        return reply.too_late is None
    return outcome == "counted" and (reply.waits or reply.act is not None)


async def waiting(
    tx: Transaction, now: datetime, *, workflows: Collection[str] | None, agent: str, limit: int, scope: Scope
) -> list[WaitingConversation]:
    """Unanswered conversations, longest waiting first, of these workflows (None: all); with `agent`, only theirs."""
    query = (
        select(conversations, orders.c.order_id.label("order_name"))
        .join(orders, orders.c.id == conversations.c.order_id)
        .where(conversations.c.unanswered_since.is_not(None))
        .where(*of_order(tx, scope, orders.c.id, orders.c.workflow))
        .order_by(conversations.c.unanswered_since)
        .limit(limit)
    )
    if workflows is not None:
        query = query.where(conversations.c.workflow.in_(sorted(workflows)))
    if agent:
        query = query.where(conversations.c.agent == tx.keyring.digest("agent", agent))
    rows = (await tx.execute(query)).all()
    last = await _last_incoming(tx, {row.order_id: row.unanswered_since for row in rows})
    found = []
    for row in rows:
        at = last.get(row.order_id)
        words = _words(tx.keyring, at) if at is not None else Words()
        newest = (at.channel, words.name, words.text, _agent(tx.keyring, row, now), str(at.id)) if at else ("",) * 5
        waits = WaitingConversation(row.workflow, row.order_name, row.unanswered_since, *newest)
        found.append(replace(waits, reply=at.reply or None) if at else waits)
    return found


async def _last_incoming(tx: Transaction, since: Mapping[UUID, datetime]) -> dict[UUID, Any]:
    """The newest incoming message of each of these orders since the given time."""
    if not since:
        return {}
    of_order = [and_(replies.c.order_id == order_id, replies.c.at >= at) for order_id, at in since.items()]
    query = select(replies).where(or_(*of_order)).order_by(replies.c.at)
    return {row.order_id: row for row in await tx.execute(query)}


async def unmatched(tx: Transaction, limit: int, *, scope: Scope) -> list[WaitingConversation]:
    """Messages without a known order, longest waiting first; callers with a limited scope do not see them."""
    if not scope.is_everything:
        return []
    query = select(replies).where(replies.c.order_id.is_(None)).order_by(replies.c.at).limit(limit)
    found = []
    for row in await tx.execute(query):
        words = _words(tx.keyring, row)
        found.append(WaitingConversation("", "", row.at, row.channel, words.address, words.text, "", str(row.id)))
    return found


async def messages_from(tx: Transaction, addresses: Iterable[str]) -> list[ConversationMessage]:
    """All messages from these addresses, oldest first."""
    digests = {d for a in addresses for form in both_forms(a) if (d := person_of(tx.keyring, form))}
    query = select(replies).where(replies.c.person.in_(padded(sorted(digests)))).order_by(replies.c.at, replies.c.id)
    return [_incoming(tx.keyring, row) for row in await tx.execute(query)] if digests else []

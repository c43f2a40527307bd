"""Writes incoming messages and waiting conversations, in the transaction of the decision."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from msgspec import Struct
from sqlalchemy import update

from service.domain.address_keys import address_key
from service.domain.control_characters import one_line
from service.domain.conversation import ReceivedReply
from service.domain.order import Order
from service.keyring import Keyring
from service.ledger.conversations.tables import CONVERSATION_AGENT, REPLY_WORDS, conversations, heard, replies
from service.ledger.database.engine import padded
from service.ledger.database.sets import NewRow, Rows, Writes
from service.ledger.database.transaction import Transaction
from service.ledger.orders.records import seal_json

# An agent who opens a conversation to answer it is shown to the others for so long after their last activity.
ANSWERING_FOR: Final = timedelta(minutes=2)


class Words(Struct, frozen=True, omit_defaults=True):
    """The personal part of a message."""

    text: str = ""
    address: str = ""
    name: str = ""


def person_of(keyring: Keyring, address: str) -> bytes | None:
    """Digest for finding a person's messages; None without an address."""
    return keyring.digest("person", address_key(one_line(address))) if address else None


def reply_row(keyring: Keyring, order_id: UUID | None, reply: ReceivedReply) -> NewRow:
    """The row of one incoming message; `order_id` is None while the order is unknown."""
    words = Words(reply.text, reply.address, reply.name)
    return {
        "id": reply.id,
        "order_id": order_id,
        "at": reply.at,
        "channel": reply.channel,
        "audience": reply.audience,
        "reply": reply.reply,
        "outcome": reply.outcome,
        "person": person_of(keyring, reply.address),
        "sealed_words": seal_json(keyring, words, REPLY_WORDS.of(reply.id)),
    }


def conversation_row(order: Order) -> NewRow:
    """The row that lists of waiting conversations are made from."""
    talk = order.conversation
    return {
        "order_id": order.id,
        "workflow": order.workflow,
        "unanswered_since": talk.unanswered_since if talk else None,
        "last_at": talk.last if talk else None,
    }


def write(writes: Writes, incoming: Rows, talks: Rows) -> None:
    """Have these incoming messages and conversations written."""
    writes.insert(replies, incoming)
    writes.upsert(conversations, talks, ("unanswered_since", "last_at"), ("order_id",))


async def store_unmatched(tx: Transaction, reply: ReceivedReply) -> None:
    """Store a message whose order is unknown; it waits in the tray."""
    await tx.execute(replies.insert().values(reply_row(tx.keyring, None, reply)))


async def delete_replies(tx: Transaction, ids: Iterable[UUID]) -> None:
    """Delete these messages, which were moved to another order."""
    await tx.execute(replies.delete().where(replies.c.id.in_(padded(list(ids)))))


async def show_answering(tx: Transaction, order_id: UUID, agent: str, until: datetime | None) -> None:
    """Show others who answers the conversation until `until`; None: the agent has answered."""
    values = {
        "agent": tx.keyring.digest("agent", agent),
        "answering_until": until,
        "sealed_agent": seal_json(tx.keyring, agent, CONVERSATION_AGENT.of(order_id)),
    }
    await tx.execute(update(conversations).where(conversations.c.order_id == order_id).values(**values))


def heard_as(keyring: Keyring, channel: str, address: str, sender: str) -> bytes:
    """The digest by which the time of a person's last message to one of our senders is stored."""
    return keyring.digest("heard", channel, address_key(address), sender)


async def note_heard(tx: Transaction, channel: str, address: str, senders: Iterable[str], at: datetime) -> None:
    """Note that the person at this address wrote to these senders."""
    rows = [{"digest": heard_as(tx.keyring, channel, address, s), "at": at} for s in sorted({*senders} - {""})]
    writes = Writes()
    writes.upsert(heard, rows, ("at",), ("digest",))
    await writes.run(tx)

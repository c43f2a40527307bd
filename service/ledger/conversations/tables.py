"""Tables: incoming messages, orders that wait for an answer, and when a person last wrote on a channel.

Columns named `sealed_*` hold encrypted bytes, bound to their row and to the label beside them. A label is never
renamed, as bytes sealed with the old one could not be opened. No other column holds personal data. Times are UTC.
"""

from typing import Final

from sqlalchemy import Column, Index, LargeBinary, Table, Text, Uuid

from service.keyring import Label
from service.ledger.columns import ABOUT, Instant, metadata, partial, sealed

REPLY_WORDS: Final = Label("reply.words")

replies = Table(
    "replies",
    metadata,
    Column("id", Uuid, primary_key=True),
    # NULL: the order is not known yet.
    Column("order_id", Uuid),
    Column("at", Instant, nullable=False),
    Column("channel", Text, nullable=False),
    Column("audience", Text, nullable=False, server_default=""),
    Column("reply", Text, nullable=False, server_default=""),
    Column("outcome", Text, nullable=False),
    # A keyed digest of the person's address, by which their messages are erased.
    Column("person", LargeBinary(16)),
    sealed("sealed_words", REPLY_WORDS),
    Index("replies_of_order", "order_id", "at"),
    Index("replies_of_person", "person"),
    partial("replies_unmatched", "at", where="order_id IS NULL"),
    info={ABOUT: "incoming messages and button taps, with the sealed text"},
)

CONVERSATION_AGENT: Final = Label("conversation.agent")

conversations = Table(
    "conversations",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("workflow", Text, nullable=False),
    Column("unanswered_since", Instant),
    Column("last_at", Instant),
    # A keyed digest of the agent who is answering, or answered last, and until when they are shown as answering.
    Column("agent", LargeBinary(16)),
    Column("answering_until", Instant),
    sealed("sealed_agent", CONVERSATION_AGENT, nullable=True),
    partial("conversations_unanswered", "unanswered_since", where="unanswered_since IS NOT NULL"),
    info={ABOUT: "one row for an order with incoming messages: since when they wait, and which agent is answering"},
)

heard = Table(
    "heard",
    metadata,
    Column("digest", LargeBinary(16), primary_key=True),
    Column("at", Instant, nullable=False),
    info={ABOUT: "when a person last wrote to one of our senders, by keyed digest: for WhatsApp's 24-hour window"},
)

PREFERENCE_WISHES: Final = Label("preference.wishes")

preferences = Table(
    "preferences",
    metadata,
    Column("digest", LargeBinary(16), primary_key=True),
    Column("at", Instant, nullable=False),
    sealed("sealed_wishes", PREFERENCE_WISHES),
    info={ABOUT: "what people chose on their preference page, by keyed digest of their address"},
)

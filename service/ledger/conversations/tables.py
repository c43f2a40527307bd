"""Tables: what people said, which orders wait for an answer, and when somebody was last heard on a channel.

Columns named `sealed_*` hold encrypted bytes, bound to their row and to the label beside them, which is never renamed:
what it sealed would not open again. Nothing personal stands in any other column. Times are UTC.
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
    # None: nobody knows yet which order it is about.
    Column("order_id", Uuid),
    Column("at", Instant, nullable=False),
    Column("channel", Text, nullable=False),
    Column("audience", Text, nullable=False, server_default=""),
    Column("reply", Text, nullable=False, server_default=""),
    Column("outcome", Text, nullable=False),
    # A keyed digest of their address, by which they are erased.
    Column("person", LargeBinary(16)),
    sealed("sealed_words", REPLY_WORDS),
    Index("replies_of_order", "order_id", "at"),
    Index("replies_of_person", "person"),
    partial("replies_unmatched", "at", where="order_id IS NULL"),
    info={ABOUT: "what people wrote or tapped, with its sealed text"},
)

CONVERSATION_AGENT: Final = Label("conversation.agent")

conversations = Table(
    "conversations",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("workflow", Text, nullable=False),
    Column("unanswered_since", Instant),
    Column("last_at", Instant),
    # A keyed digest of who answers, or answered last; until when they say that they do.
    Column("agent", LargeBinary(16)),
    Column("answering_until", Instant),
    sealed("sealed_agent", CONVERSATION_AGENT, nullable=True),
    partial("conversations_unanswered", "unanswered_since", where="unanswered_since IS NOT NULL"),
    info={ABOUT: "one row an order whose people wrote: since when they wait, and which agent answers"},
)

heard = Table(
    "heard",
    metadata,
    Column("digest", LargeBinary(16), primary_key=True),
    Column("at", Instant, nullable=False),
    info={ABOUT: "when a person last wrote to one of our senders, by keyed digests: WhatsApp's 24 hours count from it"},
)

PREFERENCE_WISHES: Final = Label("preference.wishes")

preferences = Table(
    "preferences",
    metadata,
    Column("digest", LargeBinary(16), primary_key=True),
    Column("at", Instant, nullable=False),
    sealed("sealed_wishes", PREFERENCE_WISHES),
    info={ABOUT: "what people chose on their preference page, by keyed digests of their addresses"},
)

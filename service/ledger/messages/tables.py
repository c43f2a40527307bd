"""Tables: notices and their messages, what was opted out of or capped, and what leaves for the broker.

Columns named `sealed_*` hold encrypted bytes, bound to their row and to the label beside them, which is never renamed:
what it sealed would not open again. Nothing personal stands in any other column. Times are UTC.
An index that is partial says in its `where` which loop it serves.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    text,
)

from service.keyring import Label
from service.ledger.columns import ABOUT, Instant, metadata, partial, sealed

WAITING: Final = "state IN ('pending', 'retrying')"
# What did not go as planned: rare among all, and what people look for.
IN_TROUBLE: Final = ("expired", "failed", "held", "retrying", "superseded", "suppressed", "undelivered", "unknown")

NOTICE_SNAPSHOT: Final = Label("notice.snapshot")

NOTICE_SECRET: Final = Label("notice.secret")

notices = Table(
    "notices",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("order_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("planned_at", Instant, nullable=False),
    Column("stage_rank", Integer, nullable=False),
    Column("supersedable", Boolean, nullable=False),
    Column("valid_until", Instant, nullable=False),
    sealed("sealed_snapshot", NOTICE_SNAPSHOT),
    sealed("sealed_secret", NOTICE_SECRET, nullable=True),
    Column("traceparent", Text, nullable=False, server_default=""),
    Column("called_off", Text, nullable=False, server_default=""),
    partial("notices_with_secret", "valid_until", where="sealed_secret IS NOT NULL"),
    info={ABOUT: "things worth telling, with the facts that their templates may use"},
)

MESSAGE_RECIPIENT: Final = Label("message.recipient")

MESSAGE_WORDS: Final = Label("message.words")

messages = Table(
    "messages",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("order_id", Uuid, nullable=False),
    Column("notice_id", Uuid, nullable=False),
    Column("notice", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("audience", Text, nullable=False),
    Column("lane", LargeBinary(16), nullable=False),
    Column("state", Text, nullable=False),
    Column("not_before", Instant),
    Column("lease_until", Instant),
    # Whose lease it is, while that process holds its liveness lock (`ledger/database/liveness.py`).
    Column("lease_owner", Integer),
    Column("fencing_token", Integer, nullable=False, server_default="0"),
    Column("send_begun", Boolean, nullable=False, server_default=text("false")),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("resend_count", Integer, nullable=False, server_default="0"),
    Column("valid_until", Instant, nullable=False),
    Column("when_unknown", Text, nullable=False),
    Column("secret", Boolean, nullable=False),
    Column("provider", Text, nullable=False, server_default=""),
    Column("provider_id", Text, nullable=False, server_default=""),
    Column("error_code", Text, nullable=False, server_default=""),
    Column("error", Text, nullable=False, server_default=""),
    Column("created_at", Instant, nullable=False),
    Column("sent_at", Instant),
    Column("history", Text, nullable=False, server_default=""),
    sealed("sealed_recipient", MESSAGE_RECIPIENT),
    sealed("sealed_message", MESSAGE_WORDS, nullable=True),
    Column("cap_reservation", LargeBinary),
    # The place in its channel's line, in ms since 1970; of codes, days earlier. 0: from before there were turns.
    Column("turn", BigInteger, nullable=False, server_default="0"),
    # What it is paid by: parts (0: not begun, or from before this was kept) and the country it goes to (ISO 3166).
    Column("parts", Integer, nullable=False, server_default="0"),
    Column("country", Text, nullable=False, server_default=""),
    # What its provider says that it cost, in millionths of that currency (ISO 4217).
    Column("price_micros", BigInteger),
    Column("price_unit", Text, nullable=False, server_default=""),
    # Which step of its notice's ladder it is, from 1; 0: of none.
    Column("rung", Integer, nullable=False, server_default="0"),
    partial("notifications_waiting", "channel", "not_before", where=WAITING),
    partial("notifications_in_turn", "channel", "turn", "not_before", where=WAITING),
    partial("notifications_leased", "lease_until", where="state = 'sending'"),
    partial("messages_held", "valid_until", where="state = 'held'"),
    partial("notifications_unknown", "not_before", where="state = 'unknown'"),
    Index("notifications_of_order", "order_id"),
    Index("messages_by_time", "created_at", "id"),
    partial("messages_in_trouble", "created_at", "id", where=f"state IN {IN_TROUBLE!r}"),
    # Of all messages, not of those that are ahead: while nothing waits, PostgreSQL takes such a small index for free,
    # keeps that plan for the next burst, and reads the whole line once for each message in it.
    Index("notifications_of_lane", "lane", "id"),
    info={ABOUT: "messages: one notice to one address on one channel, with its state and its attempts"},
)

# Of a report mail that waits here as its `body`, with its `message_id`.
REPORT_MAIL: Final = Label("outbox.mail")

outbox = Table(
    "outbox",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("exchange", Text, nullable=False),
    Column("routing_key", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("headers", Text, nullable=False, server_default="{}"),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("leased_until", Instant),
    Column("lease_owner", Integer),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("lane", Text, nullable=False, server_default=""),
    Column("held_until", Instant),
    Index("outbox_in_turn", "attempts", "id"),
    partial("outbox_lanes", "lane", "id", where="lane <> ''"),
    info={ABOUT: "what leaves for the broker, for teams and by report mail, written with its cause"},
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("digest", LargeBinary(16), primary_key=True),
    Column("sender", Text, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("why", Text, nullable=False),
    info={ABOUT: "opt-outs and dead addresses, by keyed digests"},
)

HOLD_WORDS: Final = Label("hold.words")

holds = Table(
    "holds",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("channel", Text, nullable=False),
    Column("workflow", Text, nullable=False),
    Column("notice", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("released_at", Instant),
    sealed("sealed_words", HOLD_WORDS),
    partial("holds_active", "at", where="released_at IS NULL"),
    info={ABOUT: "what people hold back from being sent: a channel, a workflow, a notice"},
)

send_counts = Table(
    "send_counts",
    metadata,
    Column("scope", LargeBinary(16), primary_key=True),
    Column("day", Text, primary_key=True),
    Column("n", BigInteger, nullable=False),
    # Of these, the sends that are not settled yet, and the codes among both.
    Column("unsettled", BigInteger, nullable=False, server_default="0"),
    Column("codes", BigInteger, nullable=False, server_default="0"),
    Column("codes_unsettled", BigInteger, nullable=False, server_default="0"),
    info={ABOUT: "messages of a day, for caps"},
)

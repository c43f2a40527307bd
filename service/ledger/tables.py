"""The tables of orders, their messages, promises and escalations, and what leaves for the broker.

Columns named `sealed_*` hold encrypted bytes, bound to their row and to the label beside them, which is never renamed:
what it sealed would not open again. Nothing personal stands in any other column. Times are UTC.
An index that is partial says in its `where` which loop it serves.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from service.keyring import Label
from service.ledger.columns import ABOUT, Instant, metadata, partial, sealed

WAITING: Final = "state IN ('pending', 'retrying')"

meta = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    info={ABOUT: "facts about the installation: schema steps under way, keys of the processes, the root key"},
)

inbox = Table(
    "inbox",
    metadata,
    Column("key", LargeBinary(16), primary_key=True),
    Column("received_at", Instant, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("reason", Text, nullable=False, server_default=""),
    # A keyed digest of what a taken event said: tells a repeat from another event under the same name.
    Column("content", LargeBinary(16)),
    Index("inbox_by_time", "received_at"),
    info={ABOUT: "events that were taken, refused or tried, so that none counts twice"},
)

ORDER_STATE: Final = Label("order.state")
orders = Table(
    "orders",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("workflow", Text, nullable=False),
    Column("order_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("stage_rank", Integer, nullable=False),
    Column("final", Boolean, nullable=False),
    Column("assignee_id", Text, nullable=False, server_default=""),
    Column("version", Text, nullable=False, server_default=""),
    Column("status_since", Instant),
    Column("due_at", Instant),
    Column("breached", Boolean, nullable=False, server_default=text("false")),
    Column("expected_end", Instant),
    Column("links", Integer, nullable=False, server_default="0"),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("wake_at", Instant),
    sealed("sealed_state", ORDER_STATE),
    UniqueConstraint("workflow", "order_id"),
    partial("orders_due", "wake_at", where="wake_at IS NOT NULL"),
    Index("orders_by_activity", "workflow", "updated_at"),
    Index("orders_by_time", "updated_at", "id"),
    # So that PostgreSQL finds an id's beginning by it, whatever the language of the database.
    Index("orders_by_name", "order_id", postgresql_ops={"order_id": "text_pattern_ops"}),
    partial("orders_breached", "due_at", where="breached"),
    Index("orders_of_assignee", "assignee_id", "due_at"),
    partial("orders_near_due", "due_at", where="due_at IS NOT NULL"),
    info={ABOUT: "one row an order: what lists and loops ask for, and its sealed state"},
)

visits = Table(
    "visits",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("workflow", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Index("visits_by_time", "workflow", "at"),
    info={ABOUT: "each entering of a status, for measures"},
)

observations = Table(
    "measurements",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("measure", Text, primary_key=True),
    Column("workflow", Text, nullable=False),
    Column("value", Float, nullable=False),
    Column("at", Instant, nullable=False),
    info={ABOUT: "values that a pack measures, one an order and measure"},
)

order_people = Table(
    "order_people",
    metadata,
    Column("digest", LargeBinary(16), primary_key=True),
    Column("order_id", Uuid, primary_key=True),
    info={ABOUT: "which orders a person is in, by keyed digests of their addresses"},
)

order_attributes = Table(
    "order_attributes",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("digest", LargeBinary(16), primary_key=True),
    Index("order_attributes_by_value", "digest", "order_id"),
    info={ABOUT: "by which attributes that lists show an order is found, as keyed digests; never a personal one"},
)

TIMELINE_DETAIL: Final = Label("timeline.detail")
timeline = Table(
    "timeline",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("kind", Text, nullable=False),
    sealed("sealed_detail", TIMELINE_DETAIL),
    info={ABOUT: "what happened in an order, as its page tells it"},
)

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
    partial("notices_with_secret", "valid_until", where="sealed_secret IS NOT NULL"),
    info={ABOUT: "things worth telling, with the facts that their templates may use"},
)

MESSAGE_RECIPIENT: Final = Label("message.recipient")
MESSAGE_WORDS: Final = Label("message.words")
notifications = Table(
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
    partial("notifications_waiting", "channel", "not_before", where=WAITING),
    partial("notifications_in_turn", "channel", "turn", "not_before", where=WAITING),
    partial("notifications_leased", "lease_until", where="state = 'sending'"),
    partial("notifications_unknown", "not_before", where="state = 'unknown'"),
    Index("notifications_of_order", "order_id"),
    partial("notifications_by_time", "created_at", "id", where="sealed_message IS NOT NULL"),
    # Of all messages, not of those that are ahead: while nothing waits, PostgreSQL takes such a small index for free,
    # keeps that plan for the next burst, and reads the whole line once for each message in it.
    Index("notifications_of_lane", "lane", "id"),
    info={ABOUT: "messages: one notice to one address on one channel, with its state and its attempts"},
)

clocks = Table(
    "clocks",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("order_id", Uuid, nullable=False),
    Column("workflow", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("notice", Text, nullable=False, server_default=""),
    Column("team", Text, nullable=False, server_default=""),
    Column("started_at", Instant, nullable=False),
    Column("warn_at", Instant),
    Column("due_at", Instant, nullable=False),
    Column("state", Text, nullable=False),
    Column("stopped_at", Instant),
    Column("why", Text, nullable=False, server_default=""),
    Column("noticed_late_s", Float, nullable=False, server_default="0"),
    Index("clocks_of_order", "order_id"),
    partial("clocks_running", "due_at", where="state = 'running'"),
    Index("clocks_by_time", "workflow", "started_at"),
    info={ABOUT: "the readable history of promises; the running ones are in their order's state"},
)

ESCALATION_DETAIL: Final = Label("escalation.detail")
escalations = Table(
    "escalations",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("order_id", Uuid, nullable=False),
    Column("workflow", Text, nullable=False),
    Column("order_name", Text, nullable=False),
    Column("team", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("level", Integer, nullable=False),
    Column("causes", Integer, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("due_at", Instant),
    Column("changed_at", Instant, nullable=False),
    Column("snoozed_until", Instant),
    Column("incident_id", Uuid),
    sealed("sealed_detail", ESCALATION_DETAIL),
    Index("escalations_of_order", "order_id"),
    Index("escalations_of_incident", "incident_id"),
    Index("escalations_by_change", "changed_at"),
    Index("escalations_by_reason", "team", "reason", "opened_at"),
    partial("escalations_open", "team", "opened_at", where="state <> 'resolved'"),
    info={ABOUT: "calls to a team that an order raised"},
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
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("lane", Text, nullable=False, server_default=""),
    Column("held_until", Instant),
    Index("outbox_in_turn", "attempts", "id"),
    partial("outbox_lanes", "lane", "id", where="lane <> ''"),
    info={ABOUT: "what leaves for the broker, for teams and by report mail, written with its cause"},
)

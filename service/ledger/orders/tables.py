"""Tables: orders, their people, timelines and clocks; what was taken in; packs.

Columns named `sealed_*` hold encrypted bytes, bound to their row and to the label beside them, which is never renamed:
what it sealed would not open again. Nothing personal stands in any other column. Times are UTC.
An index that is partial says in its `where` which loop it serves.
"""

from typing import Final

from sqlalchemy import (
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

INBOX_EVENT: Final = Label("inbox.event")

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
    # What an order was decided by, and how many lines its timeline had before: so that the past can be played again.
    Column("order_id", Uuid),
    Column("timeline_n", Integer),
    sealed("sealed_event", INBOX_EVENT, nullable=True),
    Index("inbox_by_time", "received_at"),
    partial("inbox_of_order", "order_id", where="order_id IS NOT NULL"),
    info={ABOUT: "events that were taken, refused or tried, so that none counts twice"},
)

RECORDED_CAUSE: Final = Label("cause.said")

causes = Table(
    "causes",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("order_id", Uuid, nullable=False),
    Column("timeline_n", Integer, nullable=False),
    Column("at", Instant, nullable=False),
    Column("kind", Text, nullable=False),
    sealed("sealed_cause", RECORDED_CAUSE),
    Index("causes_of_order", "order_id"),
    Index("causes_by_time", "at"),
    info={ABOUT: "what orders were decided by, beside events and receipts, so that the past can be played again"},
)

order_partitions = Table(
    "order_partitions",
    metadata,
    # A keyed digest of the order's workflow and id.
    Column("key", LargeBinary(16), primary_key=True),
    Column("partition", Integer, nullable=False),
    Column("partitions", Integer, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Index("order_partitions_by_time", "seen_at"),
    info={ABOUT: "by which of intake's partitions orders came lately, where there are several"},
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
    # The order that it is a part of; empty: of none.
    Column("parent_workflow", Text, nullable=False, server_default=""),
    Column("parent_order_id", Text, nullable=False, server_default=""),
    sealed("sealed_state", ORDER_STATE),
    UniqueConstraint("workflow", "order_id"),
    partial("orders_due", "wake_at", where="wake_at IS NOT NULL"),
    Index("orders_by_activity", "workflow", "updated_at"),
    Index("orders_by_time", "updated_at", "id"),
    # So that PostgreSQL finds an id's beginning by it, whatever the language of the database.
    Index("orders_by_name", "order_id", postgresql_ops={"order_id": "text_pattern_ops"}),
    Index(
        "orders_by_parent",
        "parent_order_id",
        postgresql_where=text("parent_order_id <> ''"),
        sqlite_where=text("parent_order_id <> ''"),
        postgresql_ops={"parent_order_id": "text_pattern_ops"},
    ),
    partial("orders_breached", "due_at", where="breached"),
    Index("orders_of_assignee", "assignee_id", "due_at"),
    partial("orders_near_due", "due_at", where="due_at IS NOT NULL"),
    Index("orders_by_creation", "created_at", "id"),
    partial("orders_near_end", "expected_end", where="expected_end IS NOT NULL"),
    # Lists of what is open, beside years of orders that are not.
    Index("orders_open", "due_at", postgresql_where=text("NOT final"), sqlite_where=text("final = 0")),
    info={ABOUT: "one row an order: what lists and loops ask for, and its sealed state"},
)

WAITING_MESSAGE: Final = Label("waiting.message")

waiting_events = Table(
    "waiting_events",
    metadata,
    Column("id", Uuid, primary_key=True),
    # Of the inbox row; the order's and its whole's as keyed digests.
    Column("key", LargeBinary(16), nullable=False),
    Column("order_digest", LargeBinary(16), nullable=False),
    Column("whole_digest", LargeBinary(16), nullable=False),
    Column("until_at", Instant, nullable=False),
    Column("look_at", Instant, nullable=False),
    Column("looks", Integer, nullable=False, server_default="0"),
    sealed("sealed_message", WAITING_MESSAGE),
    Index("waiting_events_due", "look_at"),
    Index("waiting_events_of_order", "order_digest"),
    Index("waiting_events_for_whole", "whole_digest"),
    info={ABOUT: "events of parts whose whole is not known yet, as they came; each waits an hour at most"},
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

measurements = Table(
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

order_parties = Table(
    "order_parties",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("digest", LargeBinary(16), primary_key=True),
    Index("order_parties_by_party", "digest", "order_id"),
    info={ABOUT: "whose an order is, by keyed digests of audience and id: what limited callers see hangs on it"},
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

packs = Table(
    "packs",
    metadata,
    Column("workflow", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("files", LargeBinary, nullable=False),
    Column("checked_by", Text, nullable=False, server_default=""),
    info={ABOUT: "every version of a workflow that orders go by"},
)

"""Tables: inbox, orders, their people, timelines and clocks, measures, packs.

Columns named `sealed_*` hold encrypted bytes, bound to their row and to the label beside them. A label is never
renamed, as bytes sealed with the old one could not be opened. No other column holds personal data. Times are UTC.
The `where` of a partial index names the loop's query that it serves.
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
    # A keyed digest of an accepted event's content, to tell a redelivery from another event with the same id.
    Column("content", LargeBinary(16)),
    # The cause of an order's decision, and the number of timeline lines before it, for replaying the history.
    Column("order_id", Uuid),
    Column("timeline_n", Integer),
    sealed("sealed_event", INBOX_EVENT, nullable=True),
    Index("inbox_by_time", "received_at"),
    partial("inbox_of_order", "order_id", where="order_id IS NOT NULL"),
    info={ABOUT: "events that were accepted, rejected or tried, so that none counts twice"},
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
    info={ABOUT: "causes of decisions other than events and receipts, for replaying the history"},
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
    info={ABOUT: "the intake partition by which each order's events came lately, if there are several"},
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
    # The whole that it is a part of; empty: none.
    Column("parent_workflow", Text, nullable=False, server_default=""),
    Column("parent_order_id", Text, nullable=False, server_default=""),
    sealed("sealed_state", ORDER_STATE),
    UniqueConstraint("workflow", "order_id"),
    partial("orders_due", "wake_at", where="wake_at IS NOT NULL"),
    Index("orders_by_activity", "workflow", "updated_at"),
    Index("orders_by_time", "updated_at", "id"),
    # So that PostgreSQL finds the beginning of an id by the index in any locale.
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
    # For lists of open orders among years of closed ones.
    Index("orders_open", "due_at", postgresql_where=text("NOT final"), sqlite_where=text("final = 0")),
    info={ABOUT: "one row for each order: columns for lists and loops, and its sealed state"},
)

WAITING_MESSAGE: Final = Label("waiting.message")

waiting_events = Table(
    "waiting_events",
    metadata,
    Column("id", Uuid, primary_key=True),
    # The key of the inbox row; the order and its whole as keyed digests.
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
    info={ABOUT: "events of parts whose whole is not known yet, as received; each waits an hour at most"},
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
    info={ABOUT: "each visit to a status, for measures"},
)

measurements = Table(
    "measurements",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("measure", Text, primary_key=True),
    Column("workflow", Text, nullable=False),
    Column("value", Float, nullable=False),
    Column("at", Instant, nullable=False),
    info={ABOUT: "values measured by packs, one for each order and measure"},
)

COUNT_FIGURES: Final = Label("kept_count.figures")

kept_counts = Table(
    "kept_counts",
    metadata,
    # A keyed digest of what is counted: over which time, of which workflow, for whom.
    Column("id", Uuid, primary_key=True),
    # The version of the pack that it was counted by.
    Column("version", Text, nullable=False),
    # Who counts, until when; NULL: nobody.
    Column("claim", Uuid),
    Column("lease_until", Instant),
    Column("counted_at", Instant),
    Column("took_s", Float, nullable=False),
    # NULL while it is counted for the first time.
    sealed("sealed_figures", COUNT_FIGURES, nullable=True),
    info={ABOUT: "figures of reports that take long to count, as last counted"},
)

order_people = Table(
    "order_people",
    metadata,
    Column("digest", LargeBinary(16), primary_key=True),
    Column("order_id", Uuid, primary_key=True),
    info={ABOUT: "the orders of each person, by keyed digests of addresses, names and ids"},
)

order_parties = Table(
    "order_parties",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("digest", LargeBinary(16), primary_key=True),
    Index("order_parties_by_party", "digest", "order_id"),
    info={ABOUT: "the parties of each order, by keyed digests of audience and id, for callers with a limited scope"},
)

order_attributes = Table(
    "order_attributes",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("digest", LargeBinary(16), primary_key=True),
    Index("order_attributes_by_value", "digest", "order_id"),
    info={ABOUT: "the indexed attributes of each order, as keyed digests; never personal ones"},
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
    info={ABOUT: "what happened to an order, as its page shows it"},
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
    info={ABOUT: "the history of clocks; the running ones are also in their order's state"},
)

packs = Table(
    "packs",
    metadata,
    Column("workflow", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("files", LargeBinary, nullable=False),
    Column("checked_by", Text, nullable=False, server_default=""),
    info={ABOUT: "every version of a workflow that orders are based on"},
)

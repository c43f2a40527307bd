"""The tables. Columns named `sealed_*` hold encrypted bytes; nothing personal stands in any other column.

Times are UTC. An index that is partial says in its `where` which loop it serves.
"""

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    Uuid,
    text,
)


class Instant(TypeDecorator[datetime]):
    """A UTC moment: `timestamptz` on PostgreSQL; SQLite has no zones, so there it is plain UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC)


metadata = MetaData()
WAITING: Final = "state IN ('pending', 'retrying')"
AHEAD: Final = "state IN ('pending', 'retrying', 'sending')"


def _partial(name: str, *columns: str, where: str) -> Index:
    return Index(name, *columns, postgresql_where=text(where), sqlite_where=text(where))


meta = Table("meta", metadata, Column("key", Text, primary_key=True), Column("value", Text, nullable=False))

inbox = Table(
    "inbox",
    metadata,
    Column("key", LargeBinary(16), primary_key=True),
    Column("received_at", Instant, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("reason", Text, nullable=False, server_default=""),
)

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
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("wake_at", Instant),
    Column("sealed_state", LargeBinary, nullable=False),
    UniqueConstraint("workflow", "order_id"),
    _partial("orders_due", "wake_at", where="wake_at IS NOT NULL"),
    Index("orders_by_activity", "workflow", "updated_at"),
    Index("orders_by_name", "order_id"),
)

order_people = Table(
    "order_people",
    metadata,
    Column("digest", LargeBinary(16), primary_key=True),
    Column("order_id", Uuid, primary_key=True),
)

timeline = Table(
    "timeline",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("kind", Text, nullable=False),
    Column("sealed_detail", LargeBinary, nullable=False),
)

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
    Column("sealed_snapshot", LargeBinary, nullable=False),
    Column("sealed_secret", LargeBinary),
    Column("traceparent", Text, nullable=False, server_default=""),
    _partial("notices_with_secret", "valid_until", where="sealed_secret IS NOT NULL"),
)

notifications = Table(
    "notifications",
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
    Column("fence", Integer, nullable=False, server_default="0"),
    Column("begun", Boolean, nullable=False, server_default=text("false")),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("resent", Integer, nullable=False, server_default="0"),
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
    Column("sealed_recipient", LargeBinary, nullable=False),
    Column("sealed_message", LargeBinary),
    _partial("notifications_waiting", "channel", "not_before", where=WAITING),
    _partial("notifications_lane", "lane", "id", where=AHEAD),
    _partial("notifications_leased", "lease_until", where="state = 'sending'"),
    _partial("notifications_unknown", "not_before", where="state = 'unknown'"),
    Index("notifications_of_order", "order_id"),
    Index("notifications_of_lane", "lane", "id"),
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
    _partial("clocks_running", "due_at", where="state = 'running'"),
)

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
    Column("sealed_detail", LargeBinary, nullable=False),
    Index("escalations_of_order", "order_id"),
    _partial("escalations_open", "team", "opened_at", where="state <> 'resolved'"),
)

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
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("digest", LargeBinary(16), primary_key=True),
    Column("sender", Text, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("why", Text, nullable=False),
)

send_counts = Table(
    "send_counts",
    metadata,
    Column("scope", LargeBinary(16), primary_key=True),
    Column("day", Text, primary_key=True),
    Column("n", BigInteger, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("digest", LargeBinary(16), nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
)

"""Tables: escalations, incidents, their stream, providers' health and schedules.

Columns named `sealed_*` hold encrypted bytes, bound to their row and to the label beside them. A label is never
renamed, as bytes sealed with the old one could not be opened. No other column holds personal data. Times are UTC.
The `where` of a partial index names the loop's query that it serves.
"""

from typing import Final

from sqlalchemy import (
    Column,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
)

from service.keyring import Label
from service.ledger.columns import ABOUT, Instant, metadata, partial, sealed

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
    Column("owner_digest", LargeBinary(16)),
    Column("acknowledged_at", Instant),
    sealed("sealed_detail", ESCALATION_DETAIL),
    Index("escalations_of_order", "order_id"),
    Index("escalations_of_incident", "incident_id"),
    Index("escalations_by_change", "changed_at"),
    Index("escalations_by_time", "workflow", "opened_at"),
    Index("escalations_by_reason", "team", "reason", "opened_at"),
    partial("escalations_open", "team", "opened_at", where="state <> 'resolved'"),
    partial("escalations_owned", "owner_digest", where="state <> 'resolved' AND owner_digest IS NOT NULL"),
    info={ABOUT: "calls for a team's help about one order"},
)

escalation_stream = Table(
    "escalation_stream",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False),
    Column("team", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("body", Text, nullable=False),
    Index("stream_by_time", "at"),
    Index("stream_by_reason", "team", "reason", "kind", "at"),
    info={ABOUT: "changes of escalations in the order of their commits, for the live stream"},
)

INCIDENT_OWNER: Final = Label("incident.owner")

incidents = Table(
    "incidents",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("team", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("orders", Integer, nullable=False),
    Column("told", Integer, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False),
    Column("told_at", Instant, nullable=False),
    Column("changes", Integer, nullable=False),
    Column("subject", Text, nullable=False),
    Column("workflow", Text, nullable=False),
    # Of incidents without orders: the provider that refuses us, and its error text without personal data.
    Column("provider", Text, nullable=False, server_default=""),
    Column("detail", Text, nullable=False, server_default=""),
    Column("level", Integer, nullable=False, server_default="0"),
    Column("level_at", Instant),
    Column("remind_at", Instant),
    Column("snoozed_until", Instant),
    Column("owner_digest", LargeBinary(16)),
    sealed("sealed_owner", INCIDENT_OWNER, nullable=True),
    partial("incidents_open", "team", "reason", where="state <> 'resolved'"),
    partial("incidents_of_provider", "provider", "opened_at", where="provider <> ''"),
    info={ABOUT: "many escalations with one cause, handled as one; and providers that refuse us"},
)

provider_health = Table(
    "provider_health",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("provider", Text, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("since", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("code", Text, nullable=False, server_default=""),
    Column("words", Text, nullable=False, server_default=""),
    info={ABOUT: "the state of each provider: works, refuses us, or is down"},
)

SCHEDULE_TARGET: Final = Label("schedule.target")

schedules = Table(
    "schedules",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("workflow", Text, nullable=False, server_default=""),
    Column("name", Text, nullable=False),
    Column("every", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("timezone", Text, nullable=False),
    Column("day", Integer, nullable=False, server_default="0"),
    Column("next_at", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("created_by", Text, nullable=False, server_default=""),
    sealed("sealed_target", SCHEDULE_TARGET),
    Index("schedules_due", "next_at"),
    info={ABOUT: "reports, digests and exports sent at scheduled times"},
)

"""The tables around the orders: who may write to whom, who may do what, what is sent on a calendar, which packs."""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text, Uuid

from service.keyring import Label
from service.ledger.columns import ABOUT, Instant, metadata, partial, sealed

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

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("digest", LargeBinary(16), nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
    info={ABOUT: "who may call the API; digests alone"},
)

desk_sessions = Table(
    "desk_sessions",
    metadata,
    Column("id", LargeBinary(16), primary_key=True),
    Column("subject", LargeBinary(16), nullable=False),
    Column("named", LargeBinary(16), nullable=False),
    Column("role", Text, nullable=False),
    Column("key_id", Uuid),
    Column("created_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Index("desk_sessions_by_subject", "subject"),
    info={ABOUT: "sign-ins of the desk"},
)

ACT_ANSWER: Final = Label("act.answer")
acts_once = Table(
    "idempotent_requests",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("request", LargeBinary(16), nullable=False),
    Column("state", Text, nullable=False),
    Column("claim", Uuid, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("lease_until", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    sealed("sealed_answer", ACT_ANSWER, nullable=True),
    Index("acts_once_by_end", "expires_at"),
    info={ABOUT: "answers of calls with an `Idempotency-Key`, and of doubled clicks"},
)

# Of releases before lines were chained; replicas of theirs still write here, and what they wrote is taken over.
audit = Table(
    "audit",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("who", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("act", Text, nullable=False),
    Column("workflow", Text, nullable=False, server_default=""),
    Column("order_name", Text, nullable=False, server_default=""),
    Index("audit_by_time", "at"),
    info={ABOUT: "looks and acts of releases before lines were chained"},
)

# Who saw and did what. `digest` is over the line, its commitments to names, and the digest of the line before.
audit_lines = Table(
    "audit_lines",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("role", Text, nullable=False),
    Column("act", Text, nullable=False),
    Column("workflow", Text, nullable=False, server_default=""),
    Column("order_name", Text, nullable=False, server_default=""),
    Column("detail", Text, nullable=False, server_default="{}"),
    Column("commitments", Text, nullable=False, server_default="{}"),
    Column("digest", LargeBinary(32), nullable=False),
    Index("audit_lines_by_time", "at"),
    Index("audit_lines_by_act", "act", "seq"),
    Index("audit_lines_by_order", "order_name", "seq"),
    info={ABOUT: "who saw and did what, each line chained to the one before"},
)

# The names that lines are committed to, apart from them so that they can be forgotten; found by `key`, a keyed digest.
AUDIT_NAME: Final = Label("audit.name")
audit_names = Table(
    "audit_names",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("part", Text, primary_key=True),
    Column("key", LargeBinary(16), nullable=False),
    sealed("sealed_name", AUDIT_NAME),
    Index("audit_names_by_key", "key", "seq"),
    info={ABOUT: "the names that audit lines are committed to, apart so that they can be erased"},
)

# One row: the chain's last line, and the line before its first (`checkpoint`), under a keyed digest of its own.
audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("checkpoint", LargeBinary(32), nullable=False),
    Column("names_erased", BigInteger, nullable=False),
    Column("seal", LargeBinary(32), nullable=False),
    info={ABOUT: "one row: the end of the audit's chain and where it begins"},
)

stream = Table(
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
    info={ABOUT: "news of escalations in the order of their commits, for the live stream"},
)

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
    # Of an incident that no order raised: the provider that refuses us, and its words without anybody's data.
    Column("provider", Text, nullable=False, server_default=""),
    Column("detail", Text, nullable=False, server_default=""),
    Column("level", Integer, nullable=False, server_default="0"),
    Column("level_at", Instant),
    Column("remind_at", Instant),
    Column("snoozed_until", Instant),
    partial("incidents_open", "team", "reason", where="state <> 'resolved'"),
    partial("incidents_of_provider", "provider", "opened_at", where="provider <> ''"),
    info={ABOUT: "many escalations of one cause, told as one; and providers that refuse us"},
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
    info={ABOUT: "what is known of each provider: well, refusing, away"},
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
    info={ABOUT: "reports and digests that are sent on a calendar"},
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

"""Tables: keys, sessions and recorded responses.

Columns named `sealed_*` hold encrypted bytes, bound to their row and to the label beside them. A label is never
renamed, as bytes sealed with the old one could not be opened. No other column holds personal data. Times are UTC.
The `where` of a partial index names the loop's query that it serves.
"""

from typing import Final

from sqlalchemy import (
    Column,
    Index,
    LargeBinary,
    Table,
    Text,
    Uuid,
)

from service.keyring import Label
from service.ledger.columns import ABOUT, Instant, metadata, sealed

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    # Scopes, separated by blanks (`domain/scopes.py`); empty: no limit.
    Column("scopes", Text, nullable=False, server_default=""),
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
    # Only of a company account; a key's session has the key's scopes.
    Column("scopes", Text, nullable=False, server_default=""),
    Column("key_id", Uuid),
    Column("created_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Index("desk_sessions_by_subject", "subject"),
    info={ABOUT: "sign-ins of the desk"},
)

ACT_ANSWER: Final = Label("act.answer")

idempotent_requests = Table(
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
    info={ABOUT: "responses to requests with an `Idempotency-Key`, and to double clicks"},
)

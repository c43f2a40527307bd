"""Tables: keys, sessions and kept answers.

Columns named `sealed_*` hold encrypted bytes, bound to their row and to the label beside them, which is never renamed:
what it sealed would not open again. Nothing personal stands in any other column. Times are UTC.
An index that is partial says in its `where` which loop it serves.
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
    # What it is limited to, parted by blanks (`domain/scopes.py`); empty: nothing.
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
    # Of an account elsewhere; a key's session is limited as its key is.
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
    info={ABOUT: "answers of calls with an `Idempotency-Key`, and of doubled clicks"},
)

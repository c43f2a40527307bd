"""Tables: the audit log.

Columns named `sealed_*` hold encrypted bytes, bound to their row and to the label beside them, which is never renamed:
what it sealed would not open again. Nothing personal stands in any other column. Times are UTC.
An index that is partial says in its `where` which loop it serves.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
)

from service.keyring import Label
from service.ledger.columns import ABOUT, Instant, metadata, sealed

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

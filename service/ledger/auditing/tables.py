"""Tables: the audit log.

Columns named `sealed_*` hold encrypted bytes, bound to their row and to the label beside them. A label is never
renamed, as bytes sealed with the old one could not be opened. No other column holds personal data. Times are UTC.
The `where` of a partial index names the loop's query that it serves.
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

# Of releases before the chain; their replicas still write here during an upgrade, and their lines are chained later.
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
    info={ABOUT: "audit lines of releases before the chain"},
)

# Who accessed or changed what. `digest` covers the line, its commitments to names, and the digest of the line before.
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
    info={ABOUT: "who accessed or changed what, each line chained to the one before"},
)

# The names that lines commit to, in a table of their own so that they can be erased; found by `key`, a keyed digest.
AUDIT_NAME: Final = Label("audit.name")

audit_names = Table(
    "audit_names",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("part", Text, primary_key=True),
    Column("key", LargeBinary(16), nullable=False),
    sealed("sealed_name", AUDIT_NAME),
    Index("audit_names_by_key", "key", "seq"),
    info={ABOUT: "the names that audit lines commit to, apart so that they can be erased"},
)

# One row: the chain's last line, its first line and the digest before that (`checkpoint`), under a keyed digest.
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
    info={ABOUT: "one row: the end and the beginning of the audit chain"},
)

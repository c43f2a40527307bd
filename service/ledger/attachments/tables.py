"""Tables: files that go with notes.

Columns named `sealed_*` hold encrypted bytes, bound to their row and to the label beside them, which is never renamed:
what it sealed would not open again. Nothing personal stands in any other column. Times are UTC.
An index that is partial says in its `where` which loop it serves.
"""

from typing import Final

from sqlalchemy import Boolean, Column, Index, Integer, LargeBinary, Table, Text, Uuid, text

from service.keyring import Label
from service.ledger.columns import ABOUT, Instant, metadata, partial, sealed

ATTACHMENT_NAME: Final = Label("attachment.name")
# Of what a file holds, in the ledger or in another store: sealed to outlive a change of SECRET_KEY, as it is too large
# to be sealed anew.
ATTACHMENT_CONTENT: Final = Label("attachment.content")

attachments = Table(
    "attachments",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("order_id", Uuid, nullable=False),
    Column("stored_at", Instant, nullable=False),
    # When a note took it: what none took is let go of.
    Column("taken_at", Instant),
    Column("gone_at", Instant),
    Column("public", Boolean, nullable=False, server_default=text("false")),
    Column("type", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("store", Text, nullable=False),
    sealed("sealed_name", ATTACHMENT_NAME, nullable=True),
    Column("content", LargeBinary),
    Index("attachments_of_order", "order_id"),
    partial("attachments_waiting", "stored_at", where="taken_at IS NULL"),
    partial("attachments_gone", "gone_at", where="gone_at IS NOT NULL"),
    info={ABOUT: "files that go with notes; `content` is sealed, and empty of those that another store keeps"},
)

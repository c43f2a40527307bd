"""Tables: files attached to notes.

Columns named `sealed_*` hold encrypted bytes, bound to their row and to the label beside them. A label is never
renamed, as bytes sealed with the old one could not be opened. No other column holds personal data. Times are UTC.
The `where` of a partial index names the loop's query that it serves.
"""

from typing import Final

from sqlalchemy import Boolean, Column, Index, Integer, LargeBinary, Table, Text, Uuid, text

from service.keyring import Label
from service.ledger.columns import ABOUT, Instant, metadata, partial, sealed

ATTACHMENT_NAME: Final = Label("attachment.name")
# The content of a file, in the ledger or in another store: sealed with a key that outlives a change of SECRET_KEY,
# as files are too large to be sealed anew.
ATTACHMENT_CONTENT: Final = Label("attachment.content")

attachments = Table(
    "attachments",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("order_id", Uuid, nullable=False),
    Column("stored_at", Instant, nullable=False),
    # When a note was written with it; files that were never attached are deleted.
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
    info={ABOUT: "files attached to notes; `content` is sealed, and empty if another store has the bytes"},
)

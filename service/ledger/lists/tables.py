"""Tables: rows of orders' lists, and remembered mappings of file columns.

Columns named `sealed_*` hold encrypted bytes, bound to their row and to the label beside them. A label is never
renamed, as bytes sealed with the old one could not be opened. No other column holds personal data. Times are UTC.
The `where` of a partial index names the loop's query that it serves.
"""

from typing import Final

from sqlalchemy import Boolean, Column, Index, Integer, LargeBinary, Table, Text, Uuid, text

from service.keyring import Label
from service.ledger.columns import ABOUT, Instant, metadata, partial, sealed

list_batches = Table(
    "list_batches",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("order_id", Uuid, nullable=False),
    Column("list", Text, nullable=False),
    Column("stored_at", Instant, nullable=False),
    # When an event added them; before that they are not part of the list.
    Column("taken_at", Instant),
    Column("count", Integer, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Index("list_batches_of_order", "order_id", "list"),
    Index("list_batches_by_time", "taken_at"),
    partial("list_batches_waiting", "stored_at", where="taken_at IS NULL"),
    info={ABOUT: "rows added to an order's list together: by a file, a call or an event"},
)

LIST_ROW: Final = Label("list.row")

list_rows = Table(
    "list_rows",
    metadata,
    # Time-ordered, so that rows are listed in the order of their arrival.
    Column("id", Uuid, primary_key=True),
    Column("order_id", Uuid, nullable=False),
    Column("list", Text, nullable=False),
    Column("batch_id", Uuid, nullable=False),
    Column("asks", Boolean, nullable=False, server_default=text("false")),
    sealed("sealed_row", LIST_ROW),
    Index("list_rows_of_order", "order_id", "list", "id"),
    partial("list_rows_asking", "order_id", where="asks"),
    info={ABOUT: "one row of an order's list, sealed; `asks`: its person has not been greeted yet"},
)

list_row_keys = Table(
    "list_row_keys",
    metadata,
    Column("digest", LargeBinary(16), primary_key=True),
    Column("row_id", Uuid, primary_key=True),
    Column("is_unique", Boolean, nullable=False),
    Index("list_row_keys_of_row", "row_id"),
    info={ABOUT: "keyed digests for finding rows: of their people's addresses, and of unique values"},
)

LIST_MAPPING: Final = Label("list.mapping")

list_mappings = Table(
    "list_mappings",
    metadata,
    # A keyed digest of the workflow, the list and the file's header.
    Column("key", LargeBinary(16), primary_key=True),
    Column("at", Instant, nullable=False),
    sealed("sealed_mapping", LIST_MAPPING),
    info={ABOUT: "the mapping from a file's columns to a list's, remembered for files with the same header"},
)

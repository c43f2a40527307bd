"""Tables: rows of orders' lists, and how their files' columns were mapped.

Columns named `sealed_*` hold encrypted bytes, bound to their row and to the label beside them, which is never renamed:
what it sealed would not open again. Nothing personal stands in any other column. Times are UTC.
An index that is partial says in its `where` which loop it serves.
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
    # When an event took them: before that they are no rows of the list.
    Column("taken_at", Instant),
    Column("count", Integer, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Index("list_batches_of_order", "order_id", "list"),
    Index("list_batches_by_time", "taken_at"),
    partial("list_batches_waiting", "stored_at", where="taken_at IS NULL"),
    info={ABOUT: "rows that came together to a list of an order: by a file, a call or an event"},
)

LIST_ROW: Final = Label("list.row")

list_rows = Table(
    "list_rows",
    metadata,
    # Grows with time, so that rows are shown in the order in which they came.
    Column("id", Uuid, primary_key=True),
    Column("order_id", Uuid, nullable=False),
    Column("list", Text, nullable=False),
    Column("batch_id", Uuid, nullable=False),
    Column("asks", Boolean, nullable=False, server_default=text("false")),
    sealed("sealed_row", LIST_ROW),
    Index("list_rows_of_order", "order_id", "list", "id"),
    partial("list_rows_asking", "order_id", where="asks"),
    info={ABOUT: "one row of a list of an order, sealed; `asks`: its person is still to be greeted"},
)

list_row_keys = Table(
    "list_row_keys",
    metadata,
    Column("digest", LargeBinary(16), primary_key=True),
    Column("row_id", Uuid, primary_key=True),
    Column("is_unique", Boolean, nullable=False),
    Index("list_row_keys_of_row", "row_id"),
    info={ABOUT: "by what a row is found: keyed digests of its people's addresses, and of what must be unique"},
)

LIST_MAPPING: Final = Label("list.mapping")

list_mappings = Table(
    "list_mappings",
    metadata,
    # A keyed digest of the workflow, the list and the file's header.
    Column("key", LargeBinary(16), primary_key=True),
    Column("at", Instant, nullable=False),
    sealed("sealed_mapping", LIST_MAPPING),
    info={ABOUT: "which column of a list each column of a file is, as somebody said it for a header"},
)

"""Tables: what the installation knows of itself.

Columns named `sealed_*` hold encrypted bytes, bound to their row and to the label beside them, which is never renamed:
what it sealed would not open again. Nothing personal stands in any other column. Times are UTC.
An index that is partial says in its `where` which loop it serves.
"""

from sqlalchemy import (
    Column,
    Table,
    Text,
)

from service.ledger.columns import ABOUT, metadata

meta = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    info={ABOUT: "facts about the installation: schema steps under way, living processes, their keys, the root key"},
)

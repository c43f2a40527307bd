"""Tables: facts about the installation.

Columns named `sealed_*` hold encrypted bytes, bound to their row and to the label beside them. A label is never
renamed, as bytes sealed with the old one could not be opened. No other column holds personal data. Times are UTC.
The `where` of a partial index names the loop's query that it serves.
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

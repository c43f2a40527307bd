"""Tables: drafts of notices' texts with their history, and published texts.

Columns named `sealed_*` hold encrypted bytes, bound to their row and to the label beside them. A label is never
renamed, as bytes sealed with the old one could not be opened. No other column holds personal data. Times are UTC.
"""

from typing import Final

from sqlalchemy import Column, Index, Integer, Table, Text, Uuid, text

from service.keyring import Label
from service.ledger.columns import ABOUT, Instant, metadata, sealed

DRAFT_SAID: Final = Label("word_draft.said")
_OPEN: Final = text("ended_at IS NULL")

word_drafts = Table(
    "word_drafts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("workflow", Text, nullable=False),
    Column("notice", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("ended_at", Instant),
    sealed("sealed_said", DRAFT_SAID),
    # One open draft for each notice, even if two people begin at the same moment.
    Index("word_drafts_open", "workflow", "notice", unique=True, postgresql_where=_OPEN, sqlite_where=_OPEN),
    Index("word_drafts_by_time", "workflow", "changed_at"),
    info={ABOUT: "drafts of a notice's texts, with their history"},
)

live_words = Table(
    "live_words",
    metadata,
    Column("workflow", Text, primary_key=True),
    Column("file", Text, primary_key=True),
    # NULL: the text is removed. `in_folder`: the folder's text at that time; NULL: none.
    Column("words", Text),
    Column("in_folder", Text),
    Column("at", Instant, nullable=False),
    # Since when the folder has a newer text, which takes precedence.
    Column("overtaken_at", Instant),
    info={ABOUT: "texts published at the desk, which replace those of the packs' folder"},
)

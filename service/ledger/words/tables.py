"""Tables: drafts of words, which are their history too, and the words that are live over those of the folder.

Columns named `sealed_*` hold encrypted bytes, bound to their row and to the label beside them, which is never renamed:
what it sealed would not open again. Nothing personal stands in any other column. Times are UTC.
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
    # Two who begin at the same moment write into one.
    Index("word_drafts_open", "workflow", "notice", unique=True, postgresql_where=_OPEN, sqlite_where=_OPEN),
    Index("word_drafts_by_time", "workflow", "changed_at"),
    info={ABOUT: "drafts of a notice's words, and what became of them"},
)

live_words = Table(
    "live_words",
    metadata,
    Column("workflow", Text, primary_key=True),
    Column("file", Text, primary_key=True),
    # NULL: the text is left out. What the folder had in its place; NULL: nothing.
    Column("words", Text),
    Column("in_folder", Text),
    Column("at", Instant, nullable=False),
    # Since when the folder has another text than that: from then on it counts.
    Column("overtaken_at", Instant),
    info={ABOUT: "texts that were published at the desk, and stand over those of the packs' folder"},
)

"""Texts published at the desk, which replace those of the packs' folder in all processes."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct
from sqlalchemy import and_, or_, select, update

from service.ledger.database.sets import upsert
from service.ledger.database.transaction import Transaction
from service.ledger.words.tables import live_words


class LiveText(Struct, frozen=True):
    """A published text. `words`: None removes the folder's. `in_folder`: the folder's text at that time; None: none."""

    workflow: str
    file: str
    words: str | None
    in_folder: str | None
    at: datetime
    overtaken_at: datetime | None = None


async def live_texts(tx: Transaction) -> list[LiveText]:
    """All published texts."""
    query = select(live_words).order_by(live_words.c.workflow, live_words.c.file)
    return [LiveText(r.workflow, r.file, r.words, r.in_folder, r.at, r.overtaken_at) for r in await tx.execute(query)]


async def put_live(
    tx: Transaction, workflow: str, texts: Mapping[str, tuple[str | None, str | None]], now: datetime
) -> None:
    """Make these texts live: by file, the new text and the folder's own text that it replaces."""
    rows = [
        {"workflow": workflow, "file": file, "words": text, "in_folder": stood, "at": now, "overtaken_at": None}
        for file, (text, stood) in texts.items()
    ]
    changes = ("words", "in_folder", "at", "overtaken_at")
    await upsert(tx, live_words, rows, changes, keys=("workflow", "file"))


async def mark_superseded(tx: Transaction, texts: Sequence[LiveText], now: datetime) -> None:
    """Note that the folder's text has changed since these were published."""
    these = or_(*(and_(live_words.c.workflow == t.workflow, live_words.c.file == t.file) for t in texts))
    await tx.execute(update(live_words).where(these, live_words.c.overtaken_at.is_(None)).values(overtaken_at=now))

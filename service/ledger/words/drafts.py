"""Drafts of a notice's texts: one open draft at a time, shared by its authors; closed ones form the history."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
import structlog
from msgspec import Struct, structs
from sqlalchemy import Select, func, select, update

from service.ledger.database.sets import NewRow, insert_missing
from service.ledger.database.transaction import Transaction
from service.ledger.orders.records import UNREADABLE, seal_json
from service.ledger.words.tables import DRAFT_SAID, word_drafts

log = structlog.get_logger(__name__)
State = Literal["draft", "approved", "published", "dropped"]
OPEN: Final[tuple[State, ...]] = ("draft", "approved")


class TextChange(Struct, frozen=True):
    """A change of one text; None: no text. `was`: the live text when it was edited last; `by`: the author."""

    was: str | None
    now: str | None
    by: str = ""


class DraftContent(Struct, frozen=True):
    """The sealed part of a draft: texts and names, the names with their prefixes as in the audit log.

    `packs`: versions of the pack before and after publishing. `undoes`: the draft that this one reverts.
    """

    texts: Mapping[str, TextChange]
    authors: tuple[str, ...] = ()
    why: str = ""
    approved_by: str = ""
    ended_by: str = ""
    packs: tuple[str, str] = ("", "")
    undoes: UUID | None = None


class TextDraft(Struct, frozen=True):
    """A draft. `version` is increased by each change."""

    id: UUID
    workflow: str
    notice: str
    state: State
    version: int
    created_at: datetime
    changed_at: datetime
    ended_at: datetime | None
    content: DraftContent

    @property
    def texts(self) -> dict[str, str | None]:
        """The new texts by file."""
        return {file: change.now for file, change in self.content.texts.items()}


async def open_of(tx: Transaction, workflow: str, notice: str, *, lock: bool = False) -> TextDraft | None:
    """The open draft of a notice; `lock`: until the commit."""
    query = select(word_drafts).where(
        word_drafts.c.workflow == workflow, word_drafts.c.notice == notice, word_drafts.c.ended_at.is_(None)
    )
    return _first(tx, (await tx.execute(query.with_for_update() if lock else query)).all())


async def draft_of(tx: Transaction, draft_id: UUID, *, lock: bool = False) -> TextDraft | None:
    """One draft; `lock`: until the commit."""
    query = select(word_drafts).where(word_drafts.c.id == draft_id)
    return _first(tx, (await tx.execute(query.with_for_update() if lock else query)).all())


class WantedDrafts(Struct, frozen=True):
    """Filters for drafts; empty ones do not filter. `before`: only drafts changed before this one.

    `among`: only these workflows; empty: any.
    """

    workflow: str = ""
    notice: str = ""
    states: tuple[State, ...] = ()
    before: UUID | None = None
    limit: int = 50
    among: frozenset[str] = frozenset()


async def listed(tx: Transaction, wanted: WantedDrafts) -> list[TextDraft]:
    """The matching drafts, most recently changed first."""
    query: Select[Any] = select(word_drafts).order_by(word_drafts.c.changed_at.desc(), word_drafts.c.id.desc())
    if wanted.workflow:
        query = query.where(word_drafts.c.workflow == wanted.workflow)
    if wanted.notice:
        query = query.where(word_drafts.c.notice == wanted.notice)
    if wanted.among:
        query = query.where(word_drafts.c.workflow.in_(sorted(wanted.among)))
    if wanted.states:
        query = query.where(word_drafts.c.state.in_(wanted.states))
    if wanted.before:
        last = select(word_drafts.c.changed_at).where(word_drafts.c.id == wanted.before).scalar_subquery()
        same = (word_drafts.c.changed_at == last) & (word_drafts.c.id < wanted.before)
        query = query.where((word_drafts.c.changed_at < last) | same)
    return _readable(tx, (await tx.execute(query.limit(wanted.limit))).all())


async def begin(tx: Transaction, draft: TextDraft) -> bool:
    """Store a new draft; False if another one was begun for the same notice at the same moment."""
    await insert_missing(tx, word_drafts, [_row(tx, draft)])
    found = await tx.execute(select(func.count()).where(word_drafts.c.id == draft.id))
    return bool(found.scalar_one())


async def change(tx: Transaction, draft: TextDraft) -> None:
    """Store a changed draft, which is locked."""
    row = _row(tx, draft)
    await tx.execute(update(word_drafts).where(word_drafts.c.id == draft.id).values(row))


async def erase_names_in_drafts(tx: Transaction, is_theirs: Callable[[str], bool]) -> int:
    """Erase authors, approvers and publishers for whose name `is_theirs` is true; returns the number of drafts."""
    changed = 0
    for found in _readable(tx, (await tx.execute(select(word_drafts).order_by(word_drafts.c.id))).all()):
        if not any(map(is_theirs, _names(found.content))):
            continue
        draft = await draft_of(tx, found.id, lock=True)
        if draft is None:
            continue
        changed += 1
        content = draft.content
        gone = {name for name in _names(content) if is_theirs(name)}
        kept = structs.replace(
            content,
            authors=tuple(_blank(a, gone) for a in content.authors),
            approved_by=_blank(content.approved_by, gone),
            ended_by=_blank(content.ended_by, gone),
            texts={file: structs.replace(t, by=_blank(t.by, gone)) for file, t in content.texts.items()},
        )
        await change(tx, structs.replace(draft, content=kept))
    return changed


def _names(content: DraftContent) -> set[str]:
    return {
        n
        for n in (*content.authors, content.approved_by, content.ended_by, *(t.by for t in content.texts.values()))
        if n
    }


def _blank(name: str, gone: set[str]) -> str:
    return "somebody" if name in gone else name


def _first(tx: Transaction, rows: Iterable[Any]) -> TextDraft | None:
    return next(iter(_readable(tx, rows)), None)


def _readable(tx: Transaction, rows: Iterable[Any]) -> list[TextDraft]:
    """The readable drafts; unreadable ones are logged."""
    found = []
    for row in rows:
        try:
            content = msgspec.json.decode(tx.keyring.unseal(row.sealed_said, DRAFT_SAID.of(row.id)), type=DraftContent)
        except UNREADABLE as error:
            log.error("words.draft_unreadable", draft=str(row.id), error=type(error).__name__)
            continue
        at = (row.created_at, row.changed_at, row.ended_at)
        found.append(TextDraft(row.id, row.workflow, row.notice, row.state, row.version, *at, content))
    return found


def _row(tx: Transaction, draft: TextDraft) -> NewRow:
    columns = {n: getattr(draft, n) for n in TextDraft.__struct_fields__ if n != "content"}
    return {**columns, "sealed_said": seal_json(tx.keyring, draft.content, DRAFT_SAID.of(draft.id))}

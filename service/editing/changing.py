"""Acts on drafts: write, approve, publish, drop, roll back. Each is one transaction, with its audit line.

Nobody approves a draft that they have written in. An approval ends with the next change of the draft.
"""

from collections.abc import Callable, Mapping
from hashlib import blake2b
from uuid import UUID

from msgspec import Struct, structs

from service.editing.places import places_of
from service.editing.publishing import Publisher
from service.editing.trying import problems_in
from service.ledger.auditing.lines import AuditLine, write_audit
from service.ledger.database.engine import new_uuid
from service.ledger.database.transaction import Transaction
from service.ledger.words import drafts
from service.ledger.words.drafts import DraftContent, TextChange, TextDraft
from service.orders import Orders
from service.pacing import aside
from service.workflows.packs import Pack

Line = Callable[[TextDraft], AuditLine]


class Conflict(Exception):
    """Somebody else changed the texts first. `theirs`: by file, the present text."""

    def __init__(self, reason: str, theirs: Mapping[str, TextChange] | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.theirs = theirs or {}


class NotYours(Exception):
    """The author of a draft may not approve it."""


class NoSuchDraft(Exception):
    """There is no draft with this id."""


class Written(Struct, frozen=True):
    """A changed text. `seen`: the mark (`mark_of`) of the text that the author started from."""

    text: str | None
    seen: str


def mark_of(text: str | None) -> str:
    """A mark that identifies a text; empty where there is none."""
    return "" if text is None else blake2b(text.encode(), digest_size=8).hexdigest()


class Editor:
    """Acts on drafts. `publisher`: makes texts live."""

    def __init__(self, orders: Orders, publisher: Publisher) -> None:
        self._orders = orders
        self._publisher = publisher

    def pack(self, workflow: str, notice: str) -> Pack:
        """The pack in use, if it has this notice with editable texts; raises Rejection, NoSuchDraft."""
        pack = self._orders.packs.get(workflow)
        if next(places_of(pack.workflow, notice), None) is None:
            raise NoSuchDraft
        return pack

    async def write(
        self, workflow: str, notice: str, written: Mapping[str, Written], by: str, why: str, line: Line
    ) -> TextDraft:
        """Save texts in the notice's draft, creating it if there is none; raises Conflict."""
        pack, now = self.pack(workflow, notice), self._orders.time.now()
        async with self._orders.ledger.transaction() as tx:
            before = await drafts.open_of(tx, workflow, notice, lock=True)
            draft = before or TextDraft(new_uuid(), workflow, notice, "draft", 0, now, now, None, DraftContent({}))
            texts, changed = _merged(pack, draft, written, by)
            if not changed and before is not None and why in ("", draft.content.why):
                return draft
            authors = tuple(dict.fromkeys((*draft.content.authors, by)))
            content = structs.replace(
                draft.content, texts=texts, authors=authors, why=why or draft.content.why, approved_by=""
            )
            draft = structs.replace(draft, state="draft", version=draft.version + 1, changed_at=now, content=content)
            if before is not None:
                await drafts.change(tx, draft)
            elif not await drafts.begin(tx, draft):
                raise Conflict("somebody else began a draft of this notice at the same moment; send it again")
            await write_audit(tx, [line(draft)], now)
        return draft

    async def approve(self, draft_id: UUID, version: int, by: str, line: Line) -> TextDraft:
        """Approve a draft; raises Conflict, NotYours for one of its authors, NoSuchDraft."""
        async with self._orders.ledger.transaction() as tx:
            draft = await self._locked(tx, draft_id, version)
            if _same(by, draft.content.authors):
                raise NotYours("an author of a draft cannot approve it; somebody else has to")
            await self._must_fit(draft)
            content = structs.replace(draft.content, approved_by=by)
            return await self._keep(tx, structs.replace(draft, state="approved", content=content), line)

    async def publish(self, draft_id: UUID, version: int, by: str, line: Line) -> TextDraft:
        """Publish an approved draft; raises Conflict, NoSuchDraft."""
        now = self._orders.time.now()
        async with self._orders.ledger.transaction() as tx:
            draft = await self._locked(tx, draft_id, version)
            if draft.state != "approved":
                raise Conflict("its current text is not approved")
            pack = await self._must_fit(draft)
            packs = await self._publisher.put(tx, pack, draft.texts)
            content = structs.replace(draft.content, ended_by=by, packs=packs)
            done = structs.replace(draft, state="published", ended_at=now, content=content)
            done = await self._keep(tx, done, line)
        await self._publisher.make_known()
        return done

    async def drop(self, draft_id: UUID, version: int, by: str, line: Line) -> TextDraft:
        """Drop a draft; it stays in the history. Raises Conflict, NoSuchDraft."""
        now = self._orders.time.now()
        async with self._orders.ledger.transaction() as tx:
            draft = await self._locked(tx, draft_id, version)
            content = structs.replace(draft.content, ended_by=by)
            return await self._keep(tx, structs.replace(draft, state="dropped", ended_at=now, content=content), line)

    async def roll_back(self, draft_id: UUID, by: str, why: str, line: Line) -> TextDraft:
        """Restore the texts that a published draft replaced; raises Conflict, NoSuchDraft.

        This takes only one person: the restored texts were approved once, and wrong ones should be replaced quickly.
        """
        now = self._orders.time.now()
        async with self._orders.ledger.transaction() as tx:
            old = await drafts.draft_of(tx, draft_id, lock=True)
            if old is None:
                raise NoSuchDraft
            if old.state != "published":
                raise Conflict("it is not live; only a published draft can be rolled back")
            pack = self.pack(old.workflow, old.notice)
            since = {f: t for f, t in old.content.texts.items() if pack.templates.text_of(f) != t.now}
            if since:
                raise Conflict("the words were changed again since; write a draft", since)
            back = {file: change.was for file, change in old.content.texts.items()}
            await self._must_pass(pack, old.notice, back)
            packs = await self._publisher.put(tx, pack, back)
            texts = {file: TextChange(change.now, change.was, by) for file, change in old.content.texts.items()}
            content = DraftContent(texts, (by,), why, "", by, packs, old.id)
            done = TextDraft(new_uuid(), old.workflow, old.notice, "published", 1, now, now, now, content)
            await drafts.begin(tx, done)
            await write_audit(tx, [line(done)], now)
        await self._publisher.make_known()
        return done

    async def _locked(self, tx: Transaction, draft_id: UUID, version: int) -> TextDraft:
        draft = await drafts.draft_of(tx, draft_id, lock=True)
        if draft is None:
            raise NoSuchDraft
        if draft.ended_at is not None:
            raise Conflict(f"it was {draft.state} already")
        if draft.version != version:
            raise Conflict("somebody changed it since you looked at it; look at it again", draft.content.texts)
        return draft

    async def _must_fit(self, draft: TextDraft) -> Pack:
        """The pack that it changes; raises Conflict where texts were changed meanwhile, or have mistakes."""
        pack = self.pack(draft.workflow, draft.notice)
        if not draft.content.texts:
            raise Conflict("it changes nothing")
        since = {f: t for f, t in draft.content.texts.items() if pack.templates.text_of(f) not in (t.was, t.now)}
        if since:
            raise Conflict("the texts in use have changed since; check and save the draft again", since)
        await self._must_pass(pack, draft.notice, draft.texts)
        return pack

    async def _must_pass(self, pack: Pack, notice: str, texts: Mapping[str, str | None]) -> None:
        problems = await aside(lambda: problems_in(pack, notice, texts))
        if problems:
            file, (first, *_) = next(iter(problems.items()))
            raise Conflict(f"{file or notice}:{first.line}: {first.problem}")

    async def _keep(self, tx: Transaction, draft: TextDraft, line: Line) -> TextDraft:
        now = self._orders.time.now()
        draft = structs.replace(draft, version=draft.version + 1, changed_at=now)
        await drafts.change(tx, draft)
        await write_audit(tx, [line(draft)], now)
        return draft


def _same(name: str, others: tuple[str, ...]) -> bool:
    return name.strip().casefold() in {other.strip().casefold() for other in others}


def _merged(
    pack: Pack, draft: TextDraft, written: Mapping[str, Written], by: str
) -> tuple[dict[str, TextChange], list[str]]:
    """The draft's texts including these, and the changed ones; raises Conflict."""
    texts, changed, theirs = dict(draft.content.texts), [], {}
    for file, wanted in written.items():
        live = pack.templates.text_of(file)
        known = texts.get(file) or TextChange(live, live)
        if known.now != wanted.text and mark_of(known.now) != wanted.seen:
            theirs[file] = known
        elif wanted.text == live:
            changed += [file] if texts.pop(file, None) else []
        else:
            changed += [file] if wanted.text != known.now or known.was != live else []
            texts[file] = TextChange(live, wanted.text, by if wanted.text != known.now else known.by)
    if theirs:
        raise Conflict("somebody else changed the same text since you began", theirs)
    return texts, changed

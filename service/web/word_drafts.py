"""`/v1/word-drafts`: drafts of notices' texts, approved by a second person, published, dropped, rolled back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

from aiohttp import web

from service.editing.changing import Conflict, Line, NoSuchDraft, NotYours
from service.editing.patch import FileChange, patch
from service.ledger.auditing.lines import AuditLine
from service.ledger.words import drafts
from service.ledger.words.drafts import TextDraft, WantedDrafts
from service.web.audited import audit_line, name_of
from service.web.auth import scope_of
from service.web.backtests import USUAL, backtested
from service.web.context import CALLER, CONTEXT
from service.web.params import answer, body_of, uuid_of
from service.web.problems import Problem
from service.web.queries import query_of
from service.web.query_types import BackTestQuery, DraftsQuery, OneDraftQuery
from service.web.schemas.words import DraftAct, DraftApproval, DraftChange, DraftPage, RollBack, WordDraft
from service.workflows.packs import Pack, with_texts

PATCH: Final = "text/x-diff"


@asynccontextmanager
async def refusals_as_problems() -> AsyncIterator[None]:
    """The editor's refusals as problems."""
    try:
        yield
    except NoSuchDraft:
        raise Problem(
            404, "No such words", "there is no draft with this id, or no notice of this name with words"
        ) from None
    except NotYours as refused:
        raise Problem(403, "Somebody else has to", str(refused)) from None
    except Conflict as conflict:
        changed = {file: change.now for file, change in conflict.theirs.items()}
        raise Problem(409, "Not possible any more", conflict.reason, changed=changed) from None


def shown_draft(draft: TextDraft) -> WordDraft:
    """A draft as the API shows it; names without the kind that the audit log adds."""
    content = draft.content
    return WordDraft(
        draft.id,
        draft.workflow,
        draft.notice,
        draft.state,
        draft.version,
        content.why,
        [called(name) for name in content.authors],
        called(content.approved_by),
        called(content.ended_by),
        draft.created_at,
        draft.changed_at,
        draft.ended_at,
        content.packs,
        content.undoes,
        [DraftChange(file, t.was, t.now, called(t.by)) for file, t in content.texts.items()],
    )


def called(name: str) -> str:
    """A name without the kind that the audit log adds."""
    return name.removeprefix("key:").removeprefix("demo:")


async def list_drafts(request: web.Request) -> web.StreamResponse:
    """Drafts and their results, which is also the history of what was published."""
    query = query_of(request, DraftsQuery)
    states = (query.state,) if query.state else ()
    before = uuid_of(query.cursor, "page") if query.cursor else None
    wanted = WantedDrafts(query.workflow, query.notice, states, before, query.limit, scope_of(request).workflows)
    async with request.app[CONTEXT].orders.ledger.reading() as tx:
        found = await drafts.listed(tx, wanted)
    cursor = str(found[-1].id) if len(found) == query.limit else ""
    return answer(DraftPage([shown_draft(d) for d in found], cursor))


async def get_draft(request: web.Request) -> web.StreamResponse:
    """One draft; `format=diff`: as a patch for Git."""
    draft = await draft_asked(request)
    if query_of(request, OneDraftQuery).format == "diff":
        pack = request.app[CONTEXT].orders.packs.get(draft.workflow)
        where = in_repository(request, pack)
        changes = [FileChange(f"{where}/{f}", t.was, t.now) for f, t in draft.content.texts.items()]
        return web.Response(text=patch(changes), content_type=PATCH)
    return answer(shown_draft(draft))


async def draft_asked(request: web.Request, draft_id: UUID | None = None) -> TextDraft:
    """The draft that the path names; raises Problem."""
    key = draft_id or uuid_of(request.match_info["id"], "draft")
    async with request.app[CONTEXT].orders.ledger.reading() as tx:
        draft = await drafts.draft_of(tx, key)
    if draft is None or not scope_of(request).has_workflow(draft.workflow):
        raise Problem(404, "No such draft", "there is no draft with this id")
    return draft


async def backtest_draft(request: web.Request) -> web.StreamResponse:
    """Back-test a draft: what it would have said on recorded orders."""
    draft, context = await draft_asked(request), request.app[CONTEXT]
    pack = with_texts(context.orders.packs.get(draft.workflow), draft.texts)
    done, _ = await backtested(context, pack, query_of(request, BackTestQuery).since or USUAL)
    return answer(done)


async def approve_draft(request: web.Request) -> web.StreamResponse:
    """Approve a draft, as somebody who did not write in it; with `publish` it goes live at once."""
    body = await body_of(request, DraftApproval)
    return answer(shown_draft(await approve(request, body.version, publish=body.publish)))


async def approve(request: web.Request, version: int, *, publish: bool) -> TextDraft:
    """Approve the draft that the path names, and publish it if asked to; raises Problem."""
    editor, by = request.app[CONTEXT].editor, name_of(request[CALLER])
    key = (await draft_asked(request)).id
    async with refusals_as_problems():
        draft = await editor.approve(key, version, by, audit_line_of(request, "words.approved"))
        if publish:
            draft = await editor.publish(key, draft.version, by, audit_line_of(request, "words.published"))
    return draft


async def publish_draft(request: web.Request) -> web.StreamResponse:
    """Publish an approved draft, in all processes."""
    return answer(shown_draft(await publish(request, (await body_of(request, DraftAct)).version)))


async def publish(request: web.Request, version: int) -> TextDraft:
    """The draft that the path names; raises Problem."""
    async with refusals_as_problems():
        key, by = (await draft_asked(request)).id, name_of(request[CALLER])
        return await request.app[CONTEXT].editor.publish(key, version, by, audit_line_of(request, "words.published"))


async def drop_draft(request: web.Request) -> web.StreamResponse:
    """Drop a draft; it stays in the history."""
    return answer(shown_draft(await drop(request, (await body_of(request, DraftAct)).version)))


async def drop(request: web.Request, version: int) -> TextDraft:
    """The draft that the path names; raises Problem."""
    async with refusals_as_problems():
        key, by = (await draft_asked(request)).id, name_of(request[CALLER])
        return await request.app[CONTEXT].editor.drop(key, version, by, audit_line_of(request, "words.dropped"))


async def roll_back_draft(request: web.Request) -> web.StreamResponse:
    """Restore the texts that a published draft replaced."""
    return answer(shown_draft(await roll_back(request, (await body_of(request, RollBack)).why)))


async def roll_back(request: web.Request, why: str) -> TextDraft:
    """Of the draft that the path names; raises Problem."""
    async with refusals_as_problems():
        key, by = (await draft_asked(request)).id, name_of(request[CALLER])
        return await request.app[CONTEXT].editor.roll_back(key, by, why, audit_line_of(request, "words.rolled_back"))


def audit_line_of(request: web.Request, act: str) -> Line:
    """The audit line of an act on a draft."""

    def line(draft: TextDraft) -> AuditLine:
        return audit_line(
            request,
            act,
            draft.workflow,
            notice=draft.notice,
            draft=str(draft.id),
            version=draft.version,
            texts=sorted(draft.content.texts),
        )

    return line


def in_repository(request: web.Request, pack: Pack) -> str:
    """The pack's folder as a patch names it: below the configured folder of packs."""
    root, folder = request.app[CONTEXT].settings.workflows, pack.templates.folder
    if root.is_absolute() or ".." in root.parts:
        root = type(root)(root.name)
    return (root if folder.name == root.name else root / folder.name).as_posix()

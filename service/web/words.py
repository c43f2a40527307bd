"""`/v1/words`: the texts of notices, read by agents and edited by supervisors in drafts."""

from collections.abc import Mapping

from aiohttp import web

from service.channels import registry
from service.domain.transitions import require_known
from service.editing.changing import NoSuchDraft, Written, mark_of
from service.editing.patch import FileChange, patch
from service.editing.places import TextPlace, places_of, shown_places, worded_notices
from service.editing.publishing import file_text
from service.editing.trying import Reading, TextPreview, TextProblem, look
from service.ledger.orders.locking import find
from service.ledger.words import drafts
from service.ledger.words.drafts import OPEN, TextDraft, WantedDrafts
from service.prices import current
from service.web.audited import name_of, noted
from service.web.auth import scope_of
from service.web.context import CALLER, CONTEXT
from service.web.desk.titles import Titles
from service.web.known import require_workflow, workflows_of
from service.web.params import answer, body_of
from service.web.problems import Problem
from service.web.queries import query_of
from service.web.query_types import NoticeWordsQuery, WordsQuery
from service.web.schemas.words import (
    NoticeLine,
    NoticeWords,
    WordProblem,
    WordsList,
    WordsOfPack,
    WordsOrder,
    WordsSeen,
    WordsText,
)
from service.web.word_drafts import PATCH, audit_line_of, in_repository, refusals_as_problems, shown_draft
from service.workflows.packs import Pack


async def list_words(request: web.Request) -> web.StreamResponse:
    """The notices of the packs, and which of them have drafts; `format=diff`: what was published over the folder."""
    query = query_of(request, WordsQuery)
    packs = packs_asked(request, query.workflow)
    if query.format == "diff":
        changes = [change for pack in packs for change in published_over(request, pack)]
        return web.Response(text=patch(changes), content_type=PATCH)
    return answer(WordsList(await words_of_packs(request, packs)))


def packs_asked(request: web.Request, workflow: str) -> list[Pack]:
    """The one of this name, or all; raises Rejection."""
    if workflow:
        require_workflow(request, workflow)
    seen = {w.name for w in workflows_of(request)}
    packs = request.app[CONTEXT].orders.packs
    return [p for p in packs if p.workflow.name in seen and workflow in ("", p.workflow.name)]


def pack_asked(request: web.Request) -> Pack:
    """The pack of the notice that the path names, if the caller may see it; raises NoSuchDraft, Rejection."""
    workflow = request.match_info["workflow"]
    if not scope_of(request).has_workflow(workflow):
        raise NoSuchDraft
    return request.app[CONTEXT].editor.pack(workflow, request.match_info["notice"])


async def words_of_packs(request: web.Request, packs: list[Pack]) -> list[WordsOfPack]:
    """The list, each notice with its open draft."""
    context = request.app[CONTEXT]
    titles = Titles(context.orders.packs)
    async with context.orders.ledger.reading() as tx:
        found = await drafts.listed(tx, WantedDrafts(states=OPEN, limit=1000))
    by_notice = {(d.workflow, d.notice): d for d in found}
    return [
        WordsOfPack(
            w.name,
            w.title,
            w.version,
            context.settings.words,
            [_line(titles, pack, n.name, by_notice.get((w.name, n.name))) for n in worded_notices(w)],
        )
        for pack in packs
        for w in (pack.workflow,)
    ]


def _line(titles: Titles, pack: Pack, notice: str, draft: TextDraft | None) -> NoticeLine:
    places = [p for p in shown_places(pack, notice) if not p.brand]
    return NoticeLine(
        notice,
        titles.notice(pack.workflow.name, notice),
        list(dict.fromkeys(p.channel for p in places)),
        list(dict.fromkeys(p.locale for p in places)),
        draft.id if draft else None,
        draft.state if draft else None,
    )


async def get_words(request: web.Request) -> web.StreamResponse:
    """One notice: its texts in all languages and channels, rendered, and its open draft."""
    query = query_of(request, NoticeWordsQuery)
    return answer(await notice_words(request, query.order_id))


async def notice_words(
    request: web.Request, order_id: str = "", instead: Mapping[str, str | None] | None = None
) -> NoticeWords:
    """The notice that the path names. `instead`: texts that replace the draft's. Raises Problem."""
    context = request.app[CONTEXT]
    workflow, notice = request.match_info["workflow"], request.match_info["notice"]
    async with refusals_as_problems():
        pack = pack_asked(request)
    async with context.orders.ledger.reading() as tx:
        draft = await drafts.open_of(tx, workflow, notice)
    kept = draft.texts if draft else {}
    texts = dict(kept if instead is None else {**kept, **instead})
    places = shown_places(pack, notice, tuple(texts))
    known = {p.file for p in places_of(pack.workflow, notice)}
    for file in texts:
        require_known("text", file, known, "texts")
    # What is live was checked before it went live.
    problems, seen = await look(pack, notice, places, texts, await reading_of(request, workflow, order_id))
    return NoticeWords(
        workflow,
        notice,
        Titles(context.orders.packs).notice(workflow, notice),
        pack.workflow.version,
        [_text(pack, place, texts, kept, seen) for place in places],
        shown_draft(draft) if draft else None,
        flat(problems) if texts else [],
    )


async def reading_of(request: web.Request, workflow: str, order_id: str) -> Reading:
    """The data that texts are rendered with: a sample, or the order of this id; raises Problem."""
    context = request.app[CONTEXT]
    prices = current(context.settings.prices, registry.channels())
    if not order_id:
        return Reading(context.settings.brand, prices)
    async with context.orders.ledger.reading() as tx:
        order = await find(tx, workflow, order_id, scope=scope_of(request))
    if order is None:
        raise Problem(404, "No such order", "no order of this workflow has this id")
    noted(request, shown_for=order_id)
    return Reading(context.settings.brand, prices, order)


def _text(
    pack: Pack,
    place: TextPlace,
    texts: Mapping[str, str | None],
    kept: Mapping[str, str | None],
    seen: Mapping[str, TextPreview],
) -> WordsText:
    live, looks = pack.templates.text_of(place.file), seen.get(place.file)
    return WordsText(
        place.file,
        place.channel,
        place.locale,
        place.brand,
        live,
        "ledger" if place.file in pack.over else "folder",
        texts.get(place.file, live),
        mark_of(kept.get(place.file, live)),
        WordsSeen(looks.title, looks.text, looks.segments, looks.each, looks.remark, looks.problem) if looks else None,
    )


def flat(problems: Mapping[str, list[TextProblem]]) -> list[WordProblem]:
    """Flattened."""
    return [WordProblem(file, p.line, p.problem) for file, found in problems.items() for p in found]


async def save_words(request: web.Request) -> web.StreamResponse:
    """Save texts in the notice's draft, creating one if there is none, and show what is wrong with them."""
    body = await body_of(request, WordsOrder)
    texts = {file: cleaned(w.text) for file, w in body.texts.items()}
    if body.dry_run:
        noted(request, "words.tried")
        return answer(await notice_words(request, body.order_id, texts))
    written = {file: Written(texts[file], w.seen) for file, w in body.texts.items()}
    await write(request, written, body.why)
    return answer(await notice_words(request, body.order_id))


async def write(request: web.Request, written: Mapping[str, Written], why: str) -> TextDraft:
    """Save texts in the draft of the notice that the path names; raises Problem, Rejection."""
    workflow, notice = request.match_info["workflow"], request.match_info["notice"]
    editor = request.app[CONTEXT].editor
    async with refusals_as_problems():
        pack = pack_asked(request)
        known = {p.file for p in places_of(pack.workflow, notice)}
        for file in written:
            require_known("text", file, known, "texts")
        by = name_of(request[CALLER])
        return await editor.write(workflow, notice, written, by, why, audit_line_of(request, "words.drafted"))


def cleaned(text: str | None) -> str | None:
    """The texts with the line ends of templates: forms send CRLF (HTML, "Form submission")."""
    return None if text is None else text.replace("\r\n", "\n").replace("\r", "\n")


def published_over(request: web.Request, pack: Pack) -> list[FileChange]:
    """The live texts that differ from the pack's folder."""
    where, folder = in_repository(request, pack), pack.templates.folder
    return [FileChange(f"{where}/{file}", file_text(folder, file), text) for file, text in pack.over.items()]

"""The editor of notices' texts: all languages and channels side by side, with drafts, approval and roll-back."""

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

from aiohttp import web
from msgspec import Struct

from service.channels import registry
from service.editing.changing import Written, mark_of
from service.foresight.describing import notice_rule
from service.ledger.words import drafts
from service.ledger.words.drafts import OPEN, WantedDrafts
from service.web.audited import name_of, noted
from service.web.auth import scope_of
from service.web.context import CALLER, CONTEXT
from service.web.desk.page import render
from service.web.desk.titles import language
from service.web.known import workflows_of
from service.web.lifecycle import at_work
from service.web.once import once_by_form
from service.web.params import Form, form_of, whole_number
from service.web.problems import Problem
from service.web.queries import query_of
from service.web.query_types import NoticeWordsQuery, WordsQuery
from service.web.schemas.words import NoticeWords, WordProblem, WordsText
from service.web.word_drafts import approve, drop, publish, roll_back, shown_draft
from service.web.words import cleaned, notice_words, packs_asked, words_of_packs, write
from service.workflows import cldr

HISTORY: Final = 20
MOST_WHY: Final = 2000
LAST_VERSION: Final = 10**6
ACTS: Final = ("approve", "publish", "drop", "roll-back")
FIELD: Final = "text "
SEEN: Final = "seen "


class Editable(Struct, frozen=True):
    """A text with its form field. `theirs`: somebody else's conflicting change."""

    text: WordsText
    written: str
    problems: list[WordProblem]
    is_unsaved: bool
    theirs: str | None
    is_contested: bool


async def words(request: web.Request) -> web.StreamResponse:
    """The notices of one pack, those that wait for approval first."""
    query, orders = query_of(request, WordsQuery), request.app[CONTEXT].orders
    chosen, among = await at_work(request, query.workflow), scope_of(request).workflows
    packs = packs_asked(request, chosen.name)
    async with orders.ledger.reading() as tx:
        waiting = await drafts.listed(tx, WantedDrafts(states=OPEN, limit=200, among=among))
        done = await drafts.listed(tx, WantedDrafts(chosen.name, states=("published",), limit=HISTORY))
    me = name_of(request[CALLER])
    (pack,) = await words_of_packs(request, packs)
    values = {
        "pack": pack,
        "waiting": [(shown_draft(d), me in d.content.authors) for d in waiting],
        "done": [shown_draft(d) for d in done],
        "workflows": [(w.name, w.title) for w in workflows_of(request)],
        "channels": [(c.name, c.title) for c in registry.channels().values() if c.medium.has_templates],
        "refused": [p for p in request.app[CONTEXT].words.refused if p.file.is_relative_to(packs[0].templates.folder)],
        "over": {p.workflow.name: len(p.over) for p in packs},
        "path": path_of,
        "language": language,
    }
    return await render(request, "words.html.j2", values, here="/desk/words")


def path_of(workflow: str, notice: str) -> str:
    """The address of a notice's texts on the desk."""
    return f"/desk/words/{quote(workflow, safe='')}/{quote(notice, safe='')}"


async def notice(request: web.Request) -> web.StreamResponse:
    """One notice."""
    return await _page(request, await notice_words(request, query_of(request, NoticeWordsQuery).order_id))


async def _page(
    request: web.Request,
    view: NoticeWords,
    written: Mapping[str, Written] | None = None,
    more: Mapping[str, Any] | None = None,
    status: int = 200,
) -> web.StreamResponse:
    """Render the page; `written`: the contents of a form that was not saved."""
    orders = request.app[CONTEXT].orders
    pack = orders.packs.get(view.workflow)
    async with orders.ledger.reading() as tx:
        past = await drafts.listed(
            tx, WantedDrafts(view.workflow, view.notice, ("published", "dropped"), limit=HISTORY)
        )
    theirs = (more or {}).get("theirs", {})
    channels: dict[str, list[Editable]] = defaultdict(list)
    for text in view.texts:
        channels[text.channel].append(_editable(text, view.problems, written or {}, theirs))
    values = {
        "w": view,
        "rule": _rule(notice_rule(pack.workflow.notices[view.notice], pack.workflow.statuses)),
        "channels": [(c.title, channels[c.name]) for c in registry.channels().values() if channels[c.name]],
        "loose": [p for p in view.problems if p.file not in {t.file for t in view.texts}],
        "past": [shown_draft(d) for d in past],
        "mine": bool(view.draft) and _is_author(request, view),
        "order_id": request.query.get("order_id", ""),
        "here_path": path_of(view.workflow, view.notice),
        "language": language,
        "direction": cldr.direction,
        "is_limited": not scope_of(request).is_everything,
        "field": FIELD,
        "seen": SEEN,
        **(more or {}),
    }
    return await render(request, "words_notice.html.j2", values, here="/desk/words", status=status)


def _rule(words: str) -> str:
    """With the channels' titles in the place of their names."""
    titles = {c.name: c.title for c in registry.channels().values()}
    return re.sub(r"\b[a-z_]+\b", lambda found: titles.get(found[0], found[0]), words)


def _is_author(request: web.Request, view: NoticeWords) -> bool:
    caller = request[CALLER].name.strip().casefold()
    return view.draft is not None and caller in {a.strip().casefold() for a in view.draft.authors}


def _editable(
    text: WordsText, problems: list[WordProblem], written: Mapping[str, Written], theirs: Mapping[str, str | None]
) -> Editable:
    mine = written.get(text.file)
    now = text.draft if mine is None else mine.text
    return Editable(
        text,
        now or "",
        [p for p in problems if p.file == text.file],
        mine is not None and mark_of(mine.text) != text.mark,
        theirs.get(text.file),
        text.file in theirs,
    )


async def save(request: web.Request) -> web.StreamResponse:
    """Save the texts, or only check and show them."""
    form = await form_of(request)
    if form.get("act") == "check":
        return await _checked(request, form)
    return await once_by_form(request, _save)


async def _checked(request: web.Request, form: Form) -> web.StreamResponse:
    noted(request, "words.tried")
    written = _written(form)
    view = await notice_words(request, form.get("order_id", ""), {f: w.text for f, w in written.items()})
    return await _page(request, view, written, {"checked": True, "why": form.get("why", "")})


async def _save(request: web.Request) -> web.StreamResponse:
    form = await form_of(request)
    written, why, order_id = _written(form), form.get("why", "").strip()[:MOST_WHY], form.get("order_id", "")
    try:
        await write(request, written, why)
    except Problem as problem:
        theirs = problem.members.get("changed")
        if problem.status != 409 or not isinstance(theirs, dict) or not theirs:
            raise
        view = await notice_words(request, order_id, {f: w.text for f, w in written.items()})
        more = {"theirs": theirs, "why": why}
        return await _page(request, view, written, more, status=409)
    preview = f"?{urlencode({'order_id': order_id})}" if order_id else ""
    raise web.HTTPSeeOther(path_of(request.match_info["workflow"], request.match_info["notice"]) + preview)


def _written(form: Form) -> dict[str, Written]:
    """The texts in the form; an empty one where there was no text counts as none."""
    found = {}
    for name, value in form.items():
        if name.startswith(FIELD):
            file = name.removeprefix(FIELD)
            mark = form.get(SEEN + file, "")
            text = cleaned(value)
            found[file] = Written(text if text or mark else None, mark)
    return found


async def look(request: web.Request) -> web.StreamResponse:
    """Preview and check one text while it is being written; nothing is saved."""
    form = await form_of(request)
    file = form.get("only", "")
    noted(request, "words.tried")
    written = {f: w.text for f, w in _written(form).items() if f == file}
    view = await notice_words(request, form.get("order_id", ""), written)
    text = next((t for t in view.texts if t.file == file), None)
    problems = [p for p in view.problems if p.file == file]
    return await render(request, "words_seen.html.j2", {"t": text, "problems": problems})


async def act(request: web.Request) -> web.StreamResponse:
    """Approve, publish or drop a draft, or roll back a published one; and show the notice again."""
    return await once_by_form(request, _act)


async def _act(request: web.Request) -> web.StreamResponse:
    form, what = await form_of(request), request.match_info["act"]
    if what not in ACTS:
        raise web.HTTPNotFound
    version = whole_number(form.get("version", ""), 0, LAST_VERSION)
    if what == "roll-back":
        done = await roll_back(request, form.get("why", "").strip()[:MOST_WHY])
    elif version is None:
        raise Problem(422, "Not accepted", "version: a number is expected")
    elif what == "drop":
        done = await drop(request, version)
    elif what == "publish":
        done = await publish(request, version)
    else:
        done = await approve(request, version, publish=form.get("publish") == "yes")
    raise web.HTTPSeeOther(f"{path_of(done.workflow, done.notice)}#draft")

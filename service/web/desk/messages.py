"""Messages of all orders: filtered, exported, resent after a dry run; and holds."""

from collections import Counter
from collections.abc import Sequence
from typing import Final, get_args
from urllib.parse import urlencode
from uuid import UUID

from aiohttp import web

from service.channels import registry
from service.domain.notices import State
from service.domain.workflow import Workflow
from service.ledger.escalations import provider_health
from service.ledger.messages.listing import WantedMessages, listed_messages
from service.resending import Request
from service.web.auth import scope_of, serves
from service.web.context import CALLER, CONTEXT
from service.web.desk.causes import cause_of
from service.web.desk.outages import WAITING
from service.web.desk.page import render
from service.web.desk.titles import Titles
from service.web.holds import hold_lines, put, release
from service.web.known import workflows_of
from service.web.messages import WHY_NOT, resend_many, wanted_messages
from service.web.once import once_by_form
from service.web.page_values import PageValues
from service.web.params import Form, form_of, uuid_of
from service.web.problems import Problem
from service.web.schemas.messages import HoldRequest

# Groups of states that people look for.
VIEWS: Final = (
    ("All", ""),
    ("Not delivered", "failed,undelivered,expired"),
    ("Waits", WAITING),
    ("Nobody knows", "unknown"),
    ("Not sent on purpose", "suppressed,superseded"),
)
_FILTERS: Final = ("channel", "state", "notice", "cause", "workflow", "recipient", "country", "from", "to", "zone")


def _titles_of_notices(titles: Titles, packs: Sequence[Workflow]) -> dict[str, str]:
    """By notice; with its pack's title, and its own name too, as far as others are called the same."""
    titled = {n: (titles.notice(w.name, n), w.title) for w in packs for n in w.notices}
    alike, within = Counter(title for title, _ in titled.values()), Counter(titled.values())
    found = {}
    for n, (title, pack) in titled.items():
        which = f"{pack}: {n.replace('_', ' ')}" if within[title, pack] > 1 else pack
        found[n] = title if alike[title] == 1 else f"{title} ({which})"
    return found


async def messages(request: web.Request) -> web.StreamResponse:
    """The page."""
    context = request.app[CONTEXT]
    wanted = await wanted_messages(request)
    async with context.orders.ledger.reading() as tx:
        found, cursor = await listed_messages(tx, wanted, scope=scope_of(request))
        refused = {r.channel for r in await provider_health.refusing(tx) if r.holds_back}
    titles, kept = Titles(context.orders.packs), _kept(request)
    packs = workflows_of(request)
    notices = _titles_of_notices(titles, packs)
    values: PageValues = {
        "found": [
            (m, cause_of(m.channel, m.state, m.error_code, m.error, refused=m.channel in refused)) for m in found
        ],
        "q": request.query,
        "query": urlencode(kept),
        "filtered": bool(kept),
        "telling": urlencode({k: v for k, v in kept.items() if k not in ("recipient", "country")}),
        "views": [(label, urlencode({**kept, "state": s}), s == request.query.get("state", "")) for label, s in VIEWS],
        "channels": [(c.name, c.title) for c in registry.channels().values()],
        "states": get_args(State),
        "notices": sorted(notices.items(), key=lambda pair: pair[1]),
        "workflows": sorted((w.name, w.title) for w in packs),
        "older": urlencode({**kept, "cursor": cursor}) if cursor else "",
        "held": await hold_lines(request) if serves(request[CALLER], "supervisor", "workflows") else [],
    }
    return await render(request, "messages.html.j2", values, here="/desk/messages")


def _kept(request: web.Request) -> dict[str, str]:
    kept = {k: v for k, v in request.query.items() if k in _FILTERS and v}
    # The zone belongs to the days, and filters nothing by itself.
    return kept if kept.keys() & {"from", "to"} else {k: v for k, v in kept.items() if k != "zone"}


async def tell_many_again(request: web.Request) -> web.StreamResponse:
    """First count what would be resent, and what is left out and why; resend once that is confirmed."""
    form = await form_of(request)
    if form.get("sure") == "yes":
        return await once_by_form(request, _tell)
    return await _counted(request, dry_run=True)


async def _tell(request: web.Request) -> web.StreamResponse:
    return await _counted(request, dry_run=False)


async def _counted(request: web.Request, *, dry_run: bool) -> web.StreamResponse:
    form = await form_of(request)
    channel, chosen = form.get("channel", ""), form.getall("ids", [])
    wanted = await _chosen(request, form)
    what = Request(wanted, request[CALLER].name, scope_of(request), channel, dry_run=dry_run)
    done = await resend_many(request, what)
    values = {
        "done": done,
        "dry_run": dry_run,
        "channel": channel,
        "ids": chosen,
        "every": form.get("every", ""),
        "excluded": [(count, WHY_NOT.get(why, why)) for why, count in done.excluded.items()],
        "query": urlencode(_kept(request)),
    }
    return await render(request, "resend.html.j2", values, here="/desk/messages")


async def _chosen(request: web.Request, form: Form) -> WantedMessages:
    """The ticked ones, or all that the filter finds; raises Problem for neither."""
    if form.get("every") == "yes":
        if not _kept(request):
            raise Problem(422, "Not accepted", "without any filter it would be all messages; filter first")
        return await wanted_messages(request)
    ids: tuple[UUID, ...] = tuple(uuid_of(one, "message") for one in form.getall("ids", []))
    if not ids:
        raise Problem(422, "Nothing chosen", "select the messages to resend, or all that the filter finds")
    return WantedMessages(ids=ids)


async def put_hold(request: web.Request) -> web.StreamResponse:
    """Hold a channel, a workflow or a notice, and show the holds."""
    return await once_by_form(request, _put_hold)


async def _put_hold(request: web.Request) -> web.StreamResponse:
    form = await form_of(request)
    fields = {name: form.get(name, "")[:2000] for name in ("channel", "workflow", "notice", "why")}
    await put(request, HoldRequest(**fields))
    raise web.HTTPSeeOther("/desk/messages#holds")


async def end_hold(request: web.Request) -> web.StreamResponse:
    """Release a hold, and show the holds."""
    return await once_by_form(request, _end_hold)


async def _end_hold(request: web.Request) -> web.StreamResponse:
    await release(request)
    raise web.HTTPSeeOther("/desk/messages#holds")

"""`/t/{token}/preferences`: what a customer wants to be sent, where and when. GET only shows; a POST acts."""

import re
from collections.abc import Mapping
from typing import Final

from aiohttp import web
from msgspec import Struct
from msgspec.structs import replace

from service import opt_outs, preferences
from service.channels import registry
from service.domain.order import Order
from service.domain.people import places_of
from service.domain.persons import Person, Wishes
from service.domain.workflow import Workflow
from service.ledger.messages.suppressions import suppressed
from service.web.brand_look import brand_of
from service.web.context import CONTEXT
from service.web.params import Form, form_of
from service.web.problems import Problem
from service.web.tracking_link import gone, linked_order, nearest_locale, page, wanted_languages
from service.web.tracking_replies import AUDIENCE
from service.web.unsubscribe import BY_PAGE
from service.workflows import cldr

_TIME: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


class Choice(Struct, frozen=True):
    """A checkbox or a list entry; `ended`: the person opted out by STOP, and only they can opt in again."""

    value: str
    title: str
    chosen: bool
    ended: bool = False


async def get_preferences(request: web.Request) -> web.StreamResponse:
    """Show the current choices."""
    try:
        order, workflow = await linked_order(request)
        person = _person(order)
    except Problem as problem:
        return gone(request, problem)
    quiet = (person.wishes and person.wishes.quiet) or ("", "")
    return await _page(request, order, workflow, person, quiet)


async def _page(
    request: web.Request,
    order: Order,
    workflow: Workflow,
    person: Person,
    quiet: tuple[str, str],
    *,
    wrong: bool = False,
) -> web.Response:
    """The form with the person's choices; `wrong`: their quiet hours are not valid."""
    locale = nearest_locale(workflow, wanted_languages(request, order))
    spoken = workflow.locale_for(person.language)
    ended = await _ended(request, workflow, person)
    values = {
        "token": request.match_info["token"],
        "channels": [
            Choice(
                c, registry.channels()[c].title, person.wants(c) and c not in ended, ended.get(c, BY_PAGE) != BY_PAGE
            )
            for c in _channels(workflow, person)
        ],
        "kinds": [Choice(n, title, person.wants_told(n)) for n, title in _kinds(workflow, locale).items()],
        "languages": [Choice(tag, cldr.writing(tag).display_name or tag, tag == spoken) for tag in workflow.locales],
        "quiet": quiet,
        "wrong": wrong,
    }
    brand = brand_of(workflow, order.brand, request.app[CONTEXT].settings.brand)
    return page(request, "preferences.html.j2", values, locale, status=422 if wrong else 200, brand=brand)


async def post_preferences(request: web.Request) -> web.StreamResponse:
    """Store the choices for the person, on all their orders, and show the order again."""
    try:
        order, workflow = await linked_order(request)
        person = _person(order)
    except Problem as problem:
        return gone(request, problem)
    form, orders = await form_of(request), request.app[CONTEXT].orders
    ended = await _ended(request, workflow, person)
    wishes = _wishes(form, workflow, person, ended)
    given = (form.get("quiet_from", "").strip(), form.get("quiet_to", "").strip())
    if any(given) and wishes.quiet is None:
        return await _page(request, order, workflow, replace(person, wishes=wishes), given, wrong=True)
    await preferences.choose(orders, places_of(person), wishes)
    for channel in (c for c, why in ended.items() if why == BY_PAGE and c in form.getall("channels", [])):
        for address in workflow.channel(channel).addresses(person):
            await opt_outs.start(orders, channel, address, "they chose so on their page")
    raise web.HTTPSeeOther(f"/t/{request.match_info['token']}?result=saved")


async def _ended(request: web.Request, workflow: Workflow, person: Person) -> dict[str, str]:
    """The channels on which the person is suppressed, and why."""
    offered = {c: workflow.channel(c) for c in _channels(workflow, person)}
    addresses = [spec.known_as(a) for spec in offered.values() for a in spec.addresses(person)]
    async with request.app[CONTEXT].orders.ledger.reading() as tx:
        return {s.channel: s.why for s in await suppressed(tx, addresses) if s.channel in offered}


def _person(order: Order) -> Person:
    """The person whose page it is; raises Problem where they were erased."""
    people = order.people(AUDIENCE)
    if not people:
        raise Problem(404, "No such page", "the person of this page is no longer known")
    return people[0]


def _channels(workflow: Workflow, person: Person) -> list[str]:
    """The channels on which this person can be reached by this workflow."""
    used = {c for n in workflow.notices.values() if AUDIENCE in n.audiences for c in n.channels}
    return [c for c in registry.channels() if c in used and workflow.channel(c).addresses(person)]


def _kinds(workflow: Workflow, locale: str) -> dict[str, str]:
    """The notices that are not mandatory, by the stage that they tell of."""
    found: dict[str, str] = {}
    for status in workflow.statuses.values():
        for name in status.notices:
            notice = workflow.notices[name]
            if AUDIENCE in notice.audiences and not notice.mandatory and not notice.secret:
                found.setdefault(name, workflow.title_in(workflow.stages[status.stage].titles, locale, status.stage))
    return found


def _wishes(form: Form, workflow: Workflow, person: Person, ended: Mapping[str, str]) -> Wishes:
    """The form as wishes; what it does not offer is left out, and quiet hours need both ends."""
    offered = [c for c in _channels(workflow, person) if ended.get(c, BY_PAGE) == BY_PAGE]
    others = [c for c in registry.channels() if c not in offered]
    kinds = _kinds(workflow, workflow.default_locale)
    chosen, chosen_kinds = form.getall("channels", []), form.getall("kinds", [])
    kept = tuple(n for n in (person.wishes.muted if person.wishes else person.muted) if n not in kinds)
    # Some browsers write seconds, too.
    begins, ends = (form.get(name, "").strip()[:5] for name in ("quiet_from", "quiet_to"))
    locale = form.get("locale", "")
    is_quiet = bool(_TIME.fullmatch(begins) and _TIME.fullmatch(ends) and begins != ends)
    return Wishes(
        channels=(*(c for c in offered if c in chosen), *others),
        muted=(*kept, *(n for n in kinds if n not in chosen_kinds)),
        locale=locale if locale in workflow.locales else None,
        quiet=(begins, ends) if is_quiet else None,
    )

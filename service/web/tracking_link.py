"""The order behind a tracking link, in the reader's language; a wrong link gets a page of its own."""

from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final
from uuid import UUID

import aiohttp_jinja2
import yaml
from aiohttp import web

from service.dispatch.compose import LINK_PURPOSE
from service.domain.erasure import addresses_of
from service.domain.languages import nearest, pick_locale
from service.domain.order import Order
from service.domain.scopes import EVERYTHING
from service.domain.workflow import Workflow
from service.ledger.orders.locking import find, find_by_id
from service.web.brand_look import PageBrand
from service.web.clients import refuse_guess
from service.web.context import CONTEXT
from service.web.page_values import PageValues
from service.web.problems import Problem
from service.workflows import cldr

WORDS: Final = Path(__file__).parent / "pages" / "tracking.words.yaml"
# Accept-Language may list any number of languages, of any length.
MOST_LANGUAGES: Final = 10
LONGEST_TAG: Final = 35
CSP: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "X-Robots-Tag": "noindex, nofollow",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@lru_cache(maxsize=1)
def words() -> dict[str, dict[str, str]]:
    """The page's own words by language."""
    loaded: dict[str, dict[str, str]] = yaml.safe_load(WORDS.read_text(encoding="utf-8"))
    return loaded


async def linked_order(request: web.Request) -> tuple[Order, Workflow]:
    """The order behind a token; every wrong token gets the same Problem."""
    context = request.app[CONTEXT]
    token = request.match_info["token"]
    order_id = context.orders.keyring.subject_of(token)
    order = None
    if order_id is not None:
        async with context.orders.ledger.reading() as tx:
            order = await find_by_id(tx, order_id, scope=EVERYTHING)
    if order is not None and _is_good(request, token, order):
        pack = context.orders.packs.find(order.workflow, order.version)
        if pack is not None and pack.workflow.statuses[order.status].tracked:
            return order, pack.workflow.for_brand(order.brand)
    wrong = Problem(404, "No such page", "the link is not valid, or not valid any more")
    raise await refuse_guess(request, wrong)


def _is_good(request: web.Request, token: str, order: Order) -> bool:
    context = request.app[CONTEXT]
    signed_for: UUID | None = context.orders.keyring.read_token(f"{LINK_PURPOSE}{order.links}", token)
    expires = order.updated + timedelta(days=context.settings.link_days)
    return signed_for == order.id and context.orders.time.now() < expires


async def lead_to_whole(request: web.Request, part: Order, ending: str = "") -> None:
    """Redirect a part's link to the page of its whole, if all its readers may see that. Raises HTTPSeeOther."""
    if part.parent is None:
        return
    context = request.app[CONTEXT]
    async with context.orders.ledger.reading() as tx:
        whole = await find(tx, *part.parent, scope=EVERYTHING)
    if whole is None or not _are_told_of(whole, part):
        return
    pack = context.orders.packs.find(whole.workflow, whole.version)
    if pack is None or not pack.workflow.statuses[whole.status].tracked:
        return
    token = context.composer.link_token(whole.id, whole.links)
    query = f"?{request.query_string}" if request.query_string else ""
    raise web.HTTPSeeOther(f"/t/{token}{ending}{query}", headers=HEADERS)


def _are_told_of(whole: Order, part: Order) -> bool:
    """Whether everybody who is told of the part is told of the whole."""
    known = frozenset[str]().union(*(addresses_of(p) for people in whole.recipients.values() for p in people))
    theirs = [addresses_of(p) for people in part.recipients.values() for p in people]
    return all(not known.isdisjoint(addresses) for addresses in theirs)


def wanted_languages(request: web.Request, order: Order | None = None) -> list[str]:
    """The languages that the reader wants: as asked for, else the recipient's, else the browser's in their order."""
    lang = request.query.get("lang", "")
    people = order.recipients.values() if order else ()
    known = next((p.locale for group in people for p in group if p.locale), None)
    if lang or known:
        return [lang[:LONGEST_TAG] or known or ""]
    browser = request.headers.get("Accept-Language", "").split(",")[:MOST_LANGUAGES]
    return [tag for each in browser if (tag := each.partition(";")[0].strip()[:LONGEST_TAG]) not in ("", "*")]


def nearest_locale(workflow: Workflow, wanted: list[str]) -> str:
    """The pack's locale nearest to the first of these languages that it has one for."""
    found = (nearest(workflow.locales, tag, workflow.locale_fallback) for tag in wanted)
    return next(filter(None, found), workflow.default_locale)


def words_in(locale: str) -> dict[str, str]:
    """The page's own texts in the nearest language that has them."""
    return words()[pick_locale(tuple(words()), locale, cldr.kinship())]


def page(
    request: web.Request,
    template: str,
    values: PageValues,
    locale: str,
    *,
    status: int = 200,
    brand: PageBrand | None = None,
) -> web.Response:
    """Render a customer's page; `brand`: the order's brand, else the service's own name."""
    brand = brand or PageBrand(request.app[CONTEXT].settings.brand)
    shared = {
        "w": words_in(locale),
        "locale": locale,
        "dir": cldr.direction(locale),
        "brand": brand,
    }
    response = aiohttp_jinja2.render_template(template, request, shared | values, status=status)
    response.headers.update({**HEADERS, "Content-Security-Policy": brand.policy(CSP)})
    return response


def gone(request: web.Request, problem: Problem) -> web.Response:
    """The page for a wrong or an expired link, in the browser's language."""
    available = tuple(words())
    found = (nearest(available, tag, cldr.kinship()) for tag in wanted_languages(request))
    locale = next(filter(None, found), available[0])
    response = page(request, "gone.html.j2", {}, locale, status=problem.status)
    response.headers.update(problem.headers or {})
    return response

"""`/t/{token}`: what a customer sees of an order; no sign-in, nothing personal beyond who comes."""

from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final
from uuid import UUID

import aiohttp_jinja2
import yaml
from aiohttp import web

from service.dispatch.compose import LINK_PURPOSE
from service.domain.calendars import zone_of
from service.domain.languages import nearest, pick_locale, region_of
from service.domain.order import Order
from service.domain.workflow import Workflow
from service.ledger.orders.locking import find_by_id
from service.web.brand_look import brand_of
from service.web.clients import refuse_guess
from service.web.context import CONTEXT
from service.web.params import answer
from service.web.preview import masked
from service.web.problems import Problem
from service.web.schemas import Tracking, TrackingAssignee, TrackingStage
from service.workflows import cldr, filters

WORDS: Final = Path(__file__).parent / "pages" / "tracking.words.yaml"
# Accept-Language may name any number, of any length.
MOST_LANGUAGES: Final = 10
LONGEST_TAG: Final = 35
CSP: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


@lru_cache(maxsize=1)
def words() -> dict[str, dict[str, str]]:
    """The page's own words by language."""
    loaded: dict[str, dict[str, str]] = yaml.safe_load(WORDS.read_text(encoding="utf-8"))
    return loaded


async def get_tracking_data(request: web.Request) -> web.StreamResponse:
    """The tracking page as data."""
    order, workflow = await _order(request)
    locale = _nearest(workflow, _wanted(request, order))
    return answer(_tracking(order, workflow, locale), headers=_HEADERS)


async def get_tracking_page(request: web.Request) -> web.StreamResponse:
    """The tracking page."""
    order, workflow = await _order(request)
    wanted = _wanted(request, order)
    locale = _nearest(workflow, wanted)
    shown = _tracking(order, workflow, locale)
    writing = cldr.writing(locale, next(filter(None, map(region_of, wanted)), ""))
    zone = zone_of(_zone(order, workflow))
    brand = brand_of(workflow, order.brand, request.app[CONTEXT].settings.brand)
    values = {
        "t": shown,
        "dir": cldr.direction(locale),
        "w": words()[pick_locale(tuple(words()), locale, cldr.kinship())],
        "brand": brand,
        "when": lambda moment: filters.moment(moment.astimezone(zone), writing),
        "clock": lambda moment: filters.clock(moment.astimezone(zone), writing),
        "start": order.appointment.start if order.appointment else None,
        "end": order.appointment.end if order.appointment else None,
    }
    response = aiohttp_jinja2.render_template("tracking.html.j2", request, values)
    response.headers.update({**_HEADERS, "Content-Security-Policy": brand.policy(CSP)})
    return response


_HEADERS: Final = {
    "X-Robots-Tag": "noindex, nofollow",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


async def _order(request: web.Request) -> tuple[Order, Workflow]:
    """The order behind a token; every kind of wrong token looks the same from outside. Raises Problem."""
    context = request.app[CONTEXT]
    token = request.match_info["token"]
    order_id = context.orders.keyring.subject_of(token)
    order = None
    if order_id is not None:
        async with context.orders.ledger.reading() as tx:
            order = await find_by_id(tx, order_id)
    if order is not None and _is_good(request, token, order):
        pack = context.orders.packs.find(order.workflow, order.version)
        if pack is not None and pack.workflow.statuses[order.status].tracked:
            return order, pack.workflow
    wrong = Problem(404, "No such page", "the link is not valid, or not valid any more")
    raise await refuse_guess(request, wrong)


def _is_good(request: web.Request, token: str, order: Order) -> bool:
    context = request.app[CONTEXT]
    signed_for: UUID | None = context.orders.keyring.read_token(f"{LINK_PURPOSE}{order.links}", token)
    expires = order.updated + timedelta(days=context.settings.link_days)
    return signed_for == order.id and context.orders.time.now() < expires


def _wanted(request: web.Request, order: Order) -> list[str]:
    """The languages that the reader wants: as asked for, else the recipient's, else the browser's in their order."""
    asked = request.query.get("lang", "")
    known = next((p.locale for people in order.recipients.values() for p in people if p.locale), None)
    if asked or known:
        return [asked[:LONGEST_TAG] or known or ""]
    browser = request.headers.get("Accept-Language", "").split(",")[:MOST_LANGUAGES]
    return [tag for each in browser if (tag := each.partition(";")[0].strip()[:LONGEST_TAG]) not in ("", "*")]


def _nearest(workflow: Workflow, wanted: list[str]) -> str:
    """The pack's language for the first of these that it has one near to."""
    found = (nearest(workflow.locales, tag, workflow.locale_fallback) for tag in wanted)
    return next(filter(None, found), workflow.default_locale)


def _zone(order: Order, workflow: Workflow) -> str:
    known = next((p.timezone for people in order.recipients.values() for p in people if p.timezone), None)
    return known or workflow.timezone


def _tracking(order: Order, workflow: Workflow, locale: str) -> Tracking:
    current = workflow.stages[order.stage]

    def title(name: str) -> str:
        return workflow.title_in(workflow.stages[name].titles, locale, name)

    # The unhappy end is a stage only for orders that got there; then the happy ones ahead of it are not.
    shown = [s for s in workflow.stages.values() if not s.failed or s.name == order.stage]
    stages = []
    for s in shown:
        ahead = s.rank > current.rank
        if current.failed and s.name != current.name:
            continue
        stages.append(TrackingStage(s.name, title(s.name), "next" if ahead else "current" if s is current else "done"))
    final = workflow.is_final(order.status)
    following = next((s.title for s in stages if s.state == "next"), None)
    return Tracking(
        workflow=workflow.name,
        order_id=order.reference,
        stage=order.stage,
        stage_title=title(order.stage),
        next_stage=None if final else following,
        stages=stages,
        eta=None if final else order.eta,
        appointment=order.appointment,
        assignee=_assignee(order, workflow),
        final=final,
        failed=current.failed,
        updated=order.updated,
        locale=locale,
    )


def _assignee(order: Order, workflow: Workflow) -> TrackingAssignee | None:
    a = order.assignee
    if a is None or order.status not in workflow.contact_from:
        return None
    return TrackingAssignee(a.name, masked(a.phone or a.email or ""))

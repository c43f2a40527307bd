"""`/u/{token}`: one-click unsubscribe from mails that are not mandatory (RFC 8058). GET only shows; a POST acts."""

from functools import lru_cache
from pathlib import Path
from typing import Final

import aiohttp_jinja2
import structlog
import yaml
from aiohttp import web

from service import opt_outs
from service.dispatch.mail_links import read_mail_token
from service.domain.languages import pick_locale
from service.domain.scopes import EVERYTHING
from service.ledger.messages import states as rows
from service.ledger.messages.states import StoredMessage
from service.ledger.orders.locking import find_by_id
from service.ledger.orders.records import history_line
from service.web.brand_look import brand_of
from service.web.clients import refuse_guess
from service.web.context import CONTEXT
from service.web.problems import Problem
from service.web.tracking_link import gone
from service.workflows import cldr

log = structlog.get_logger(__name__)
WORDS: Final = Path(__file__).parent / "pages" / "unsubscribe.words.yaml"
# The reason kept for an address that unsubscribed on a page of ours, where they may subscribe again.
BY_PAGE: Final = "unsubscribed"
_HEADERS: Final = {
    "X-Robots-Tag": "noindex, nofollow",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
CSP: Final = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"


@lru_cache(maxsize=1)
def words() -> dict[str, dict[str, str]]:
    """The page's words by language."""
    loaded: dict[str, dict[str, str]] = yaml.safe_load(WORDS.read_text(encoding="utf-8"))
    return loaded


async def get_page(request: web.Request) -> web.StreamResponse:
    """Ask for confirmation; a GET changes nothing, as mail scanners open every link."""
    try:
        stored = await _message(request)
    except Problem as problem:
        return gone(request, problem)
    return await _page(request, stored, done=False)


async def unsubscribe(request: web.Request) -> web.StreamResponse:
    """Stop mail to this reader. The body is ignored: the signed address is the proof."""
    stored = await _message(request)
    context = request.app[CONTEXT]
    n, now = stored.message, context.orders.time.now()
    if n.address:
        senders = [p.sender for p in context.routes["email"].providers]
        if await opt_outs.stop(context.orders, "email", n.address, senders, BY_PAGE):
            async with context.orders.ledger.transaction() as tx:
                line = history_line("unsubscribed", now, "the reader wants no more mail: none goes there")
                await rows.note(tx, n.id, line)
    log.info("opt_out.changed", channel="email", stopped=True, message_id=str(n.id))
    return await _page(request, stored, done=True)


async def _message(request: web.Request) -> StoredMessage:
    """The mail that the link came with; every wrong link gets the same Problem."""
    context = request.app[CONTEXT]
    keyring = context.orders.keyring
    message = read_mail_token(keyring, "unsubscribe", request.match_info["token"])
    if message is not None:
        async with context.orders.ledger.reading() as tx:
            stored = await rows.find(tx, message)
        if stored is not None:
            return stored
    raise await refuse_guess(request, Problem(404, "No such page", "the link is not valid"))


async def _page(request: web.Request, stored: StoredMessage, *, done: bool) -> web.Response:
    context = request.app[CONTEXT]
    async with context.orders.ledger.reading() as tx:
        order = await find_by_id(tx, stored.message.order_id, scope=EVERYTHING)
    pack = context.orders.packs.find(order.workflow, order.version) if order else None
    brand = brand_of(pack.workflow if pack else None, order.brand if order else "", context.settings.brand)
    locale = pick_locale(tuple(words()), stored.message.locale, cldr.kinship())
    values = {
        "w": words()[locale],
        "locale": locale,
        "dir": cldr.direction(locale),
        "done": done,
        "brand": brand,
    }
    response = aiohttp_jinja2.render_template("unsubscribe.html.j2", request, values)
    response.headers.update({**_HEADERS, "Content-Security-Policy": brand.policy(CSP)})
    return response

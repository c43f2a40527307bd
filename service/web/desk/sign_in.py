"""Signing in to the desk with an API key, and out."""

from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from service.ledger.access import sessions
from service.ledger.access.api_keys import Caller, caller_of, looks_like_key
from service.ledger.auditing.lines import write_audit
from service.web.audited import audit_line, record_stranger
from service.web.auth import CSRF_FIELD, HOME, begin_session, is_party, may, session_of
from service.web.clients import refuse_guess
from service.web.context import CALLER, CONTEXT
from service.web.desk.page import render
from service.web.page_query_types import SignInQuery
from service.web.params import form_of
from service.web.problems import Problem
from service.web.queries import query_of
from service.web.session import COOKIE, new_session_id

# The cookie that ties the form to the browser.
FORM_COOKIE: Final = "stagebell_form"
FORM: Final = "sign-in "


def safe_next(text: str) -> str:
    """The path to continue with, if it is one of ours; otherwise the board."""
    try:
        parts = urlsplit(text)
    except ValueError:  # such as an incomplete IPv6 address
        return HOME
    ours = not parts.scheme and not parts.netloc and parts.path.startswith("/desk") and "\\" not in text
    return text if ours else HOME


async def show_sign_in(request: web.Request) -> web.StreamResponse:
    """The form."""
    return await _page(request, safe_next(query_of(request, SignInQuery).next), "")


async def show_signed_in(request: web.Request) -> web.StreamResponse:
    """For scripts of open pages: whether the session is valid, with the CSRF token, posted to the surrounding page."""
    return await render(request, "signed_in.html.j2", {})


async def _page(request: web.Request, after: str, problem: str, status: int = 200) -> web.StreamResponse:
    context = request.app[CONTEXT]
    browser = request.cookies.get(FORM_COOKIE) or new_session_id()
    values = {
        "next": after,
        "problem": problem,
        "oidc": bool(context.settings.oidc_issuer),
        "form_token": context.sessions.csrf_token(f"{FORM}{browser}"),
    }
    page = await render(request, "sign_in.html.j2", values, status=status)
    secure = context.settings.public_url.startswith("https://")
    page.set_cookie(FORM_COOKIE, browser, httponly=True, samesite="Strict", secure=secure, path="/desk/sign-in")
    return page


def _require_own_form(request: web.Request, token: str) -> None:
    """Another site's form must not sign a visitor in under the attacker's name; raises Problem.

    Browsers send their origin with every such request (Fetch standard, "append a request Origin header"), so a request
    without one comes from a program.
    """
    if not any(name in request.headers for name in ("Origin", "Sec-Fetch-Site")):
        return
    browser = request.cookies.get(FORM_COOKIE, "")
    if not browser or not request.app[CONTEXT].sessions.csrf_fits(f"{FORM}{browser}", token):
        raise Problem(
            403, "Refused", "the form has expired or belongs to another session; open /desk/sign-in and try again"
        )


async def sign_in(request: web.Request) -> web.StreamResponse:
    """Begin a session for an API key whose role may use the desk."""
    context = request.app[CONTEXT]
    form = await form_of(request)
    _require_own_form(request, form.get(CSRF_FIELD, ""))
    after = safe_next(form.get("next", ""))
    key = form.get("key", "").strip()
    caller = None
    if looks_like_key(key):
        async with context.orders.ledger.reading() as tx:
            caller = await caller_of(tx, key)
    if caller is None:
        refused = await refuse_guess(request, Problem(401, "That key is not known, or was revoked."))
        if refused.status != 401:
            raise refused
        await record_stranger(request, "sign_in.failed", why="the key is not known, or was revoked")
        return await _page(request, after, refused.title, 401)
    if not (may(caller, "agent") or is_party(caller.role)):
        await record_stranger(request, "sign_in.failed", why=f"the role {caller.role} has nothing to see at the desk")
        return await _page(request, after, f"The role {caller.role} has nothing to see at the desk.", 403)
    response = web.HTTPSeeOther(after)
    await begin_session(request, response, caller)
    raise response


async def sign_out(request: web.Request) -> web.StreamResponse:
    """End the session, for everybody who has its cookie."""
    session = await session_of(request)
    token = (await form_of(request)).get(CSRF_FIELD, "")
    if session is not None and not request.app[CONTEXT].sessions.csrf_fits(session.id, token):
        raise Problem(403, "Refused", "reload the page and try again")
    if session is not None:
        orders = request.app[CONTEXT].orders
        request[CALLER] = Caller(session.name, session.role, session.key_id, session.id, session.scope)
        async with orders.ledger.transaction() as tx:
            await sessions.end(tx, session.id, orders.time.now())
            await write_audit(tx, [audit_line(request, "signed_out")], orders.time.now())
    response = web.HTTPSeeOther("/desk/sign-in")
    response.del_cookie(COOKIE, path="/")
    raise response

"""Signing in at the desk with an API key, and out again."""

from urllib.parse import urlsplit

from aiohttp import web

from service.ledger.keys import caller_of, looks_like_key
from service.web.auth import CSRF_FIELD, may, session_of
from service.web.bodies import form_of
from service.web.clients import refuse_guess
from service.web.context import CONTEXT
from service.web.desk.page import render
from service.web.problems import Problem
from service.web.session import COOKIE, LIFE_S


def safe_next(text: str) -> str:
    """A path of our own to go on to; anything else becomes the board."""
    parts = urlsplit(text)
    ours = not parts.scheme and not parts.netloc and parts.path.startswith("/desk") and "\\" not in text
    return text if ours else "/desk"


async def show_sign_in(request: web.Request) -> web.StreamResponse:
    """The form."""
    return await _page(request, safe_next(request.query.get("next", "")), "")


async def _page(request: web.Request, after: str, problem: str, status: int = 200) -> web.StreamResponse:
    values = {"next": after, "problem": problem, "oidc": bool(request.app[CONTEXT].settings.oidc_issuer)}
    return await render(request, "sign_in.html.j2", values, status=status)


async def sign_in(request: web.Request) -> web.StreamResponse:
    """A key becomes a session, if its role has anything to do here."""
    context = request.app[CONTEXT]
    form = await form_of(request)
    after = safe_next(form.get("next", ""))
    key = form.get("key", "").strip()
    caller = None
    if looks_like_key(key):
        async with context.core.ledger.reading() as connection:
            caller = await caller_of(connection, context.core.keyring, key)
    if caller is None:
        refused = await refuse_guess(request, "sign-in", Problem(401, "That key is not known, or was revoked."))
        if refused.status != 401:
            raise refused
        return await _page(request, after, refused.title, 401)
    if not may(caller, "agent"):
        return await _page(request, after, f"The role {caller.role} has nothing to see at the desk.", 403)
    response = web.HTTPSeeOther(after)
    set_session(request, response, context.sessions.issue(caller.name, caller.role, caller.key_id))
    raise response


def set_session(request: web.Request, response: web.StreamResponse, value: str) -> None:
    """Hand out the cookie: not readable by scripts, not sent along by other sites."""
    secure = request.app[CONTEXT].settings.public_url.startswith("https://")
    response.set_cookie(COOKIE, value, max_age=LIFE_S, httponly=True, samesite="Lax", secure=secure, path="/")


async def sign_out(request: web.Request) -> web.StreamResponse:
    """End the session."""
    session = await session_of(request)
    token = (await form_of(request)).get(CSRF_FIELD, "")
    if session is not None and not request.app[CONTEXT].sessions.csrf_fits(session.id, token):
        raise Problem(403, "Refused", "reload the page and try again")
    response = web.HTTPSeeOther("/desk/sign-in")
    response.del_cookie(COOKIE, path="/")
    raise response

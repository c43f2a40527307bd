"""What all desk pages share: the caller, the navigation, the Content-Security-Policy."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

import aiohttp_jinja2
from aiohttp import web

from service.ledger.access.api_keys import Caller, Role
from service.web.auth import OPEN_SESSION, is_party, may, serves, session_of
from service.web.context import CALLER, CONTEXT
from service.web.desk.outages import outages
from service.web.desk.titles import Titles
from service.web.route import Reach

CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
# A renewed sign-in happens in a dialog over the open page.
FRAMED: Final = frozenset({"sign_in.html.j2", "signed_in.html.j2"})
# Where to, what it is called, and for whom: as the routes say.
LINKS: Final[tuple[tuple[str, str, Role, Reach], ...]] = (
    ("/desk", "Board", "supervisor", "orders"),
    ("/desk/orders", "Orders", "agent", "parties"),
    ("/desk/conversations", "Conversations", "agent", "orders"),
    ("/desk/performance", "Performance", "supervisor", "orders"),
    ("/desk/foresight", "Foresight", "supervisor", "all"),
    ("/desk/messages", "Messages", "agent", "orders"),
    ("/desk/words", "Words", "agent", "workflows"),
    ("/desk/health", "Health", "supervisor", "all"),
    ("/desk/audit", "Audit", "admin", "all"),
    ("/desk/admin", "Admin", "admin", "all"),
)


_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400


def span(seconds: float) -> str:
    """A length as people say it: `12 min`, `3 h 05`, `2 days`; pages' scripts say the same."""
    s = int(abs(seconds))
    if s < _MINUTE:
        return "<1 min"
    if s < _HOUR:
        return f"{s // _MINUTE} min"
    return f"{s // _HOUR} h {s % _HOUR // _MINUTE:02}" if s < 2 * _DAY else f"{s // _DAY} days"


async def render(
    request: web.Request, template: str, values: Mapping[str, Any], here: str = "", status: int = 200
) -> web.Response:
    """One page."""
    context = request.app[CONTEXT]
    caller: Caller | None = request.get(CALLER)
    session = await session_of(request)
    party = caller is not None and is_party(caller.role)
    shared = {
        "brand": context.settings.brand,
        "caller": caller,
        "signed_in": session is not None,
        "csrf": context.sessions.csrf_token(session.id if session else OPEN_SESSION),
        "form_id": uuid4().hex,
        "links": [(path, title) for path, title, role, reach in LINKS if caller and serves(caller, role, reach)],
        "here": here,
        # What was sent has been taken: its drafts are not needed any more.
        "is_answer": request.method == "POST" and status < HTTPStatus.BAD_REQUEST,
        "can": lambda role: caller is not None and may(caller, role),
        "sees_all": caller is not None and serves(caller, "supervisor", "all"),
        "now": context.orders.time.now(),
        "titles": Titles(context.orders.packs),
        "span": span,
        # Fragments have no top to say it at.
        "outages": await outages(context.orders, scope=caller.scope) if here and caller and not party else [],
        "party": party,
    }
    response = aiohttp_jinja2.render_template(f"desk/{template}", request, {**shared, **values}, status=status)
    response.headers.update(HEADERS)
    if template in FRAMED:
        response.headers["Content-Security-Policy"] = CSP.replace("frame-ancestors 'none'", "frame-ancestors 'self'")
    return response

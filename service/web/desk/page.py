"""What all pages of the desk share: who looks, where they may go, which scripts may run."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

import aiohttp_jinja2
from aiohttp import web

from service.ledger.access.api_keys import Caller, Role
from service.web.auth import OPEN_SESSION, may, session_of
from service.web.context import CALLER, CONTEXT

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
LINKS: Final[tuple[tuple[str, str, Role], ...]] = (
    ("/desk", "Board", "supervisor"),
    ("/desk/orders", "Orders", "agent"),
    ("/desk/conversations", "Conversations", "agent"),
    ("/desk/lifecycle", "Lifecycle", "supervisor"),
    ("/desk/foresight", "Foresight", "supervisor"),
    ("/desk/inbox", "Inbox", "agent"),
    ("/desk/dead", "Dead letters", "supervisor"),
    ("/desk/health", "Health", "supervisor"),
    ("/desk/audit", "Audit", "admin"),
)


async def render(
    request: web.Request, template: str, values: Mapping[str, Any], here: str = "", status: int = 200
) -> web.Response:
    """One page."""
    context = request.app[CONTEXT]
    caller: Caller | None = request.get(CALLER)
    session = await session_of(request)
    shared = {
        "brand": context.settings.brand,
        "caller": caller,
        "signed_in": session is not None,
        "csrf": context.sessions.csrf_token(session.id if session else OPEN_SESSION),
        "form_id": uuid4().hex,
        "links": LINKS,
        "here": here,
        "can": lambda role: caller is not None and may(caller, role),
        "now": context.orders.time.now(),
    }
    response = aiohttp_jinja2.render_template(f"desk/{template}", request, {**shared, **values}, status=status)
    response.headers.update(HEADERS)
    return response

"""The audit log as a page, for admins."""

from urllib.parse import urlencode

from aiohttp import web

from service.web.audit import lines_of
from service.web.desk.page import render


async def audit(request: web.Request) -> web.StreamResponse:
    """Lines, newest first, filtered by who, what, which order, whom, and when."""
    lines, cursor = await lines_of(request)
    kept = {k: v for k, v in request.query.items() if k != "cursor" and v}
    values = {
        "lines": lines,
        "q": request.query,
        "older": urlencode({**kept, "cursor": cursor}) if cursor else "",
    }
    return await render(request, "audit.html.j2", values, here="/desk/audit")

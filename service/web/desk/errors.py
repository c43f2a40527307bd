"""Refusals and errors as pages, for people who use the desk in a browser."""

from http import HTTPStatus
from urllib.parse import urlsplit

import msgspec
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from service.web.desk.page import render
from service.web.problems import MEDIA_TYPE
from service.web.schemas.problems import ProblemDetails

log = structlog.get_logger(__name__)


@web.middleware
async def error_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Render as a page what `problems` answers as JSON, where a browser would show that by itself."""
    response = await handler(request)
    body = response.body if isinstance(response, web.Response) else None
    if response.content_type != MEDIA_TYPE or not isinstance(body, bytes) or not _is_page(request):
        return response
    problem = msgspec.json.decode(body, type=ProblemDetails)
    try:
        back = back_of(request, may_work_later=response.status >= HTTPStatus.INTERNAL_SERVER_ERROR)
        page = await render(request, "problem.html.j2", {"p": problem, "back": back}, status=response.status)
    except Exception as error:
        # Where even the error page fails, answer in plain text.
        log.warning("page.failed", error=type(error).__name__)
        return response
    for name in ("Retry-After", "Allow", "WWW-Authenticate"):
        if name in response.headers:
            page.headers[name] = response.headers[name]
    return page


def _is_page(request: web.Request) -> bool:
    asks = request.path == "/desk" or request.path.startswith("/desk/")
    return asks and "text/html" in request.headers.get("Accept", "") and "HX-Request" not in request.headers


def back_of(request: web.Request, *, may_work_later: bool = False) -> str:
    """The desk page that the caller came from; else the one asked for, if it may work later, else the start page."""
    try:
        parts = urlsplit(request.headers.get("Referer", ""))
    except ValueError:
        parts = urlsplit("")
    if parts.netloc == request.host and parts.path.startswith("/desk"):
        return f"{parts.path}?{parts.query}" if parts.query else parts.path
    return request.path_qs if request.method == "GET" and may_work_later else "/desk"

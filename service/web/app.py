"""The HTTP application: every route of the table, and middleware."""

import asyncio
import re
from pathlib import Path
from typing import Final

import aiohttp_jinja2
import jinja2
from aiohttp import web

from service.domain.events import MAX_BODY_BYTES
from service.ledger.database.wakeups import TALK_TOPIC
from service.web.asyncapi import OPENAPI, OpenApi
from service.web.audited import ACTS, AuditedAct
from service.web.clients import WARNED
from service.web.context import CONTEXT, Context
from service.web.desk.errors import error_pages
from service.web.enforcing import enforced
from service.web.gate import expect, gate
from service.web.news import LEAVING
from service.web.openapi import document
from service.web.problems import problems
from service.web.route import Route
from service.web.routes.table import API, OPERATIONS, PAGES
from service.web.row_imports import AT_ONCE, TURNS
from service.workflows.bytecode import CompiledTemplates

HERE: Final = Path(__file__).parent
STATIC: Final = "/static/"
# The desk's templates take half a second of CPU to compile: a process that starts again finds them compiled.
_COMPILED: Final = CompiledTemplates("pages")
# A year, as the preload list asks for (RFC 6797, §6.1).
HSTS: Final = "max-age=31536000"


def build(context: Context, *, everything: bool = True) -> web.Application:
    """The application with all routes, or only health and metrics when this process lacks the web role."""
    app = web.Application(middlewares=[gate, error_pages, problems], client_max_size=MAX_BODY_BYTES)
    app[CONTEXT] = context
    app[WARNED] = []
    app[LEAVING] = asyncio.Event()
    app[TURNS] = asyncio.Semaphore(AT_ONCE)
    app[ACTS] = frozenset(r.audit.name for r in (*OPERATIONS, *API, *PAGES) if isinstance(r.audit, AuditedAct))
    app.on_response_prepare.append(_add_headers)
    _add(app, OPERATIONS)
    if everything:
        aiohttp_jinja2.setup(
            app,
            loader=jinja2.FileSystemLoader(HERE / "pages"),
            autoescape=True,
            auto_reload=False,
            bytecode_cache=_COMPILED,
        )
        _add(app, API)
        _add(app, PAGES)
        app[OPENAPI] = OpenApi(document)
        app.router.add_static("/static", HERE / "static")
        app.on_shutdown.append(_let_go)
    return app


def _add(app: web.Application, routes: tuple[Route, ...]) -> None:
    for route in routes:
        # aiohttp's own pattern excludes braces, which an order's id may contain.
        path = re.sub(r"{(\w+)}", r"{\1:[^/]+}", route.path)
        # Link checkers send HEAD (RFC 9110, §9.1: every server supports it).
        methods = ("GET", "HEAD") if route.method == "GET" and route.role is None else (route.method,)
        for method in methods:
            app.router.add_route(method, path, enforced(route), name=None, expect_handler=expect)


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Forbid browsers and proxies to store answers with data, and browsers to guess content types."""
    headers = response.headers
    headers["X-Content-Type-Options"] = "nosniff"
    if not request.path.startswith(STATIC):
        headers["Cache-Control"] = "no-store"
    if request.app[CONTEXT].settings.public_url.startswith("https://"):
        headers["Strict-Transport-Security"] = HSTS


async def _let_go(app: web.Application) -> None:
    """Release stream listeners and waiting pages, which would otherwise delay the shutdown."""
    app[CONTEXT].stream.close()
    app[LEAVING].set()
    app[CONTEXT].orders.wakeups.wake({TALK_TOPIC})

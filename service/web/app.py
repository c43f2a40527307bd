"""The HTTP application: every route of the table, and middleware."""

from pathlib import Path
from typing import Final

import aiohttp_jinja2
import jinja2
from aiohttp import web

from service.web.context import CONTEXT, Context
from service.web.events import MAX_REQUEST_BYTES
from service.web.openapi import get_openapi
from service.web.problems import problems
from service.web.routes import API, OPERATIONS, PAGES, Route

HERE: Final = Path(__file__).parent


def build(context: Context, *, everything: bool = True) -> web.Application:
    """All routes, or only what operators ask when this process has no web role."""
    app = web.Application(middlewares=[problems], client_max_size=MAX_REQUEST_BYTES)
    app[CONTEXT] = context
    _add(app, OPERATIONS)
    if everything:
        aiohttp_jinja2.setup(app, loader=jinja2.FileSystemLoader(HERE / "pages"), autoescape=True)
        _add(app, API)
        _add(app, PAGES)
        app.router.add_get("/openapi.json", get_openapi)
        app.router.add_get("/", _home)
        app.router.add_static("/static", HERE / "static")
        app.on_shutdown.append(_let_go)
    return app


def _add(app: web.Application, routes: tuple[Route, ...]) -> None:
    for route in routes:
        app.router.add_route(route.method, route.path, route.handler, name=None)


async def _home(request: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("/desk")


async def _let_go(app: web.Application) -> None:
    """Listeners of the stream would otherwise hold up the end."""
    app[CONTEXT].stream.close()

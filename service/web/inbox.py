"""The local inbox: messages as their readers would see them; for development and captured channels."""

from pathlib import Path
from typing import Final

import aiohttp_jinja2
import jinja2
from aiohttp import web

from service.ledger.views import recent_messages
from service.web.auth import needs
from service.web.context import CONTEXT

PAGES: Final = Path(__file__).parent / "pages"
SHOWN: Final = 60


def prepare(app: web.Application) -> None:
    """Set up the pages' templates."""
    aiohttp_jinja2.setup(app, loader=jinja2.FileSystemLoader(PAGES), autoescape=True)


@needs("agent")
async def inbox(request: web.Request) -> web.StreamResponse:
    """The newest messages."""
    context = request.app[CONTEXT]
    async with context.core.ledger.reading() as connection:
        messages = await recent_messages(connection, context.core.keyring, SHOWN)
    values = {"messages": messages, "brand": context.settings.brand}
    response = aiohttp_jinja2.render_template("inbox.html.j2", request, values)
    # Mails are shown in frames without scripts; nothing else may be loaded from anywhere.
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'self' 'unsafe-inline'; frame-src 'self'; img-src 'self' data:; base-uri 'none'"
    )
    return response

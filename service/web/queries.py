"""Query parameters: an address takes those that its route declares; any other is a mistake, told with the nearest."""

from collections.abc import Awaitable, Callable, Mapping
from difflib import get_close_matches
from typing import Final

from aiohttp import web

from service.domain.errors import NotNow, Rejection
from service.web.problems import Problem

# Which may follow is for packs to say (`service.web.attribute_filters`).
ATTRIBUTES: Final = "attributes."
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def checked(handler: Handler, known: Mapping[str, str]) -> Handler:
    """`handler` for requests that ask nothing that it would ignore; raises Problem for the others."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        if request.query_string:
            _check(request, known)
        try:
            return await handler(request)
        except NotNow:
            raise
        except Rejection as rejection:
            if request.method != "GET":
                raise
            # What only reads has nothing but its address to be wrong about.
            raise Problem(400, "Not readable", rejection.reason) from None

    return guarded


def _check(request: web.Request, known: Mapping[str, str]) -> None:
    for name in request.query:
        if name not in known and not (name.startswith(ATTRIBUTES) and f"{ATTRIBUTES}NAME" in known):
            near = get_close_matches(name[:100], known, 1, 0.65)
            detail = f"{name!r:.60} is not taken here; "
            detail += f"did you mean {near[0]!r}?" if near else f"known are: {', '.join(known) or 'none'}"
            raise Problem(400, "Unknown query parameter", detail, parameter=name[:60])
        if len(request.query.getall(name)) > 1:
            raise Problem(400, "Not readable", f"{name!r} is given more than once", parameter=name)

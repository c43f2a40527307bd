"""Enforces what the table declares of a route: the one place where callers are admitted and acts are logged.

In this order: size limits; known parameters; the caller, their rate limit, role and scope; the values of the
parameters; the audit log; idempotency by `Idempotency-Key`; the handler.
"""

from functools import partial
from urllib.parse import quote

from aiohttp import web

from service.domain.errors import NotNow, Rejection
from service.domain.events import MAX_BODY_BYTES
from service.web.audited import AUDIT, AuditedAct, recorded
from service.web.auth import HOME, admit, is_party
from service.web.clients import GUESSES
from service.web.context import CALLER, CONTEXT
from service.web.once import once_by_header
from service.web.problems import Problem
from service.web.queries import check_parameters, read_query
from service.web.route import Handler, Route


def enforced(route: Route) -> Handler:
    """The route's handler, wrapped in everything that its line in the table declares."""

    async def serve(request: web.Request) -> web.StreamResponse:
        if route.most_bytes != MAX_BODY_BYTES:
            request = request.clone(client_max_size=route.most_bytes)
        request[AUDIT] = route.audit or AuditedAct(f"{route.method} {route.path}")
        if route.guesses is not None:
            request[GUESSES] = route.guesses
        if not route.lenient:
            check_parameters(request, route.query)
        try:
            return await _serve(request, route)
        except NotNow:
            raise
        except Rejection as rejection:
            if request.method != "GET" or route.lenient:
                raise
            # A request that only reads can be wrong in its parameters alone.
            raise Problem(400, "Not readable", rejection.reason) from None

    return serve


async def _serve(request: web.Request, route: Route) -> web.StreamResponse:
    if route.role is not None:
        try:
            await admit(request, route)
        except Problem as problem:
            raise (_elsewhere(request, problem) if route.page else None) or problem from None
    if not route.lenient:
        read_query(request, route.query)
    if route.role is None:
        return await route.handler(request)
    handler = partial(_streamed, handler=route.handler) if route.streams else route.handler
    if route.takes_files:
        # Its handler applies the key itself, by a digest of the file.
        return await recorded(request, handler)
    return await recorded(request, partial(once_by_header, handler=handler))


def _elsewhere(request: web.Request, refused: Problem) -> web.HTTPFound | None:
    """Where a caller who may not see this desk page is redirected: to the sign-in, or to a page that they may see."""
    if refused.status == 401 and request.method == "GET":
        return web.HTTPFound(f"/desk/sign-in?next={quote(request.path_qs)}")
    if refused.status == 403 and request.path == HOME:
        return web.HTTPFound("/desk/orders?todo=true" if is_party(request[CALLER].role) else "/desk/orders")
    return None


async def _streamed(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A streamed answer; a key may hold a few of them at a time."""
    with request.app[CONTEXT].limits.stream(request[CALLER].identity) as free:
        if not free:
            detail = "this key holds as many streams as it may (STREAMS_PER_KEY); close one"
            raise Problem(429, "Too many streams", detail, {"Retry-After": "10"})
        return await handler(request)

"""Who may do what: API keys in the Authorization header, and the roles they carry."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Final

from aiohttp import web

from service.ledger.keys import Caller, Role, caller_of
from service.web.context import CALLER, CONTEXT
from service.web.problems import Problem

# What a role may do besides its own.
INCLUDES: Final[dict[Role, frozenset[Role]]] = {
    "publisher": frozenset({"publisher"}),
    "agent": frozenset({"agent"}),
    "supervisor": frozenset({"agent", "supervisor"}),
    "admin": frozenset({"publisher", "agent", "supervisor", "admin"}),
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def needs(role: Role) -> Callable[[Handler], Handler]:
    """Only callers whose key includes `role` get to the handler."""

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        async def guarded(request: web.Request) -> web.StreamResponse:
            caller = await _caller(request)
            if role not in INCLUDES[caller.role]:
                raise Problem(403, "Not allowed", f"this needs the role {role}; the key's role is {caller.role}")
            request[CALLER] = caller
            return await handler(request)

        guarded.needs_role = role  # type: ignore[attr-defined]
        return guarded

    return decorate


async def _caller(request: web.Request) -> Caller:
    context = request.app[CONTEXT]
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key.strip():
        async with context.core.ledger.reading() as connection:
            caller = await caller_of(connection, context.core.keyring, key.strip())
        if caller is not None:
            return caller
    elif context.open_to is not None:
        return Caller("demo", context.open_to)
    problem = Problem(401, "Not signed in", "send 'Authorization: Bearer KEY'; make one with `stagebell keys create`")
    problem.headers["WWW-Authenticate"] = "Bearer"
    raise problem

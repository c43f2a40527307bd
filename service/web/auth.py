"""Who may do what: API keys in the Authorization header, sessions of the desk, their roles and their scopes."""

from typing import Final

from aiohttp import web
from msgspec import structs

from service.domain.scopes import Scope
from service.ledger.access import sessions
from service.ledger.access.api_keys import Caller, Role, caller_of, looks_like_key, revoked_name
from service.ledger.auditing.lines import write_audit
from service.web import audited
from service.web.broadcast import StreamRight
from service.web.clients import refuse_guess
from service.web.context import CALLER, CONTEXT, Context
from service.web.params import form_of
from service.web.problems import Problem
from service.web.route import REACHES, Reach, Route
from service.web.session import COOKIE, LIFE_S, Session, new_session_id

# The roles that a role includes.
INCLUDES: Final[dict[str, frozenset[Role]]] = {
    "publisher": frozenset({"publisher"}),
    "agent": frozenset({"agent"}),
    "supervisor": frozenset({"agent", "supervisor"}),
    "admin": frozenset({"publisher", "agent", "supervisor", "admin"}),
}
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
CSRF_HEADER: Final = "X-CSRF-Token"
CSRF_FIELD: Final = "csrf_token"
OPEN_SESSION: Final = "open"
HOME: Final = "/desk"
# The role that the route requires, set once the caller is known to have it.
ROUTE: Final[web.RequestKey[Route]] = web.RequestKey("route", object)  # type: ignore[arg-type]
SCOPE: Final[web.RequestKey[Scope]] = web.RequestKey("scope", Scope)


async def admit(request: web.Request, route: Route) -> None:
    """Admit a caller whom the route serves and who keeps the rate limit; raises Problem for all others.

    The request then carries the caller's scope (`scope_of`).
    """
    caller = request[CALLER] = await _caller(request)
    request[ROUTE] = route
    if not await request.app[CONTEXT].limits.call(caller.identity):
        raise Problem(429, "Too many requests", "slow down; try again in a moment", {"Retry-After": "5"})
    if why := _why_not(route, caller.role, caller.scope):
        # Callers who may not see the board are redirected from the desk's start page to one that they may see.
        if request.path != HOME:
            await audited.record_refused(request, why)
        raise Problem(403, "Not allowed", f"{why}; the key's role is {caller.role}")
    request[SCOPE] = caller.scope


def _why_not(route: Route, role: str, scope: Scope) -> str:
    """Why the route refuses a caller of this role and scope; empty where it does not."""
    if not is_party(role) and route.role not in INCLUDES[role]:
        return f"this needs the role {route.role}"
    if REACHES.index(_needs(role, scope)) > REACHES.index(route.reach):
        return "this is not for those who are limited to a part of the orders"
    return ""


def _needs(role: str, scope: Scope) -> Reach:
    if is_party(role):
        return "parties"
    if scope.is_everything:
        return "all"
    return "workflows" if scope.is_of_workflows else "orders"


def scope_of(request: web.Request) -> Scope:
    """The caller's scope, which handlers pass to every query about orders."""
    return request[SCOPE]


def is_party(role: str) -> bool:
    """Whether the role is a party's, and not one of the company's own."""
    return role not in INCLUDES


def roles_of(caller: Caller) -> frozenset[str]:
    """The caller's role and the roles that it includes."""
    return frozenset[str](INCLUDES[caller.role]) if not is_party(caller.role) else frozenset({caller.role})


def may(caller: Caller, role: Role) -> bool:
    """Whether the caller's role includes `role`."""
    return role in roles_of(caller)


def serves(caller: Caller, role: Role, reach: Reach) -> bool:
    """Whether the caller may open a page of this role and reach."""
    needs = REACHES.index(_needs(caller.role, caller.scope)) <= REACHES.index(reach)
    return needs and (is_party(caller.role) or may(caller, role))


async def _caller(request: web.Request) -> Caller:
    context = request.app[CONTEXT]
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme:
        return await _by_key(request, context, scheme, key.strip())
    session = await session_of(request)
    if session is not None:
        caller = Caller(session.name, session.role, session.key_id, session.id, session.scope)
        return await _from_our_pages(request, caller)
    if context.open_to is not None:
        return await _from_our_pages(request, Caller("demo", context.open_to))
    raise _not_signed_in()


async def _by_key(request: web.Request, context: Context, scheme: str, key: str) -> Caller:
    caller = None
    if scheme.lower() == "bearer" and looks_like_key(key):
        async with context.orders.ledger.reading() as tx:
            caller = await caller_of(tx, key)
    if caller is None:
        refused = await refuse_guess(request, _not_signed_in(), "key")
        if refused.status == 401:
            await audited.record_wrong_key(request, await _revoked_name(context, key))
        raise refused
    return caller


async def _revoked_name(context: Context, key: str) -> str:
    if not looks_like_key(key):
        return ""
    async with context.orders.ledger.reading() as tx:
        return await revoked_name(tx, key)


def _not_signed_in() -> Problem:
    return Problem(
        401,
        "Not signed in",
        "send 'Authorization: Bearer KEY'; make one with `stagebell keys create`",
        {"WWW-Authenticate": "Bearer"},
    )


async def session_of(request: web.Request) -> Session | None:
    """The desk session with its current role and scope; None once it was signed out, or its key revoked."""
    context = request.app[CONTEXT]
    session = context.sessions.read(request.cookies.get(COOKIE, ""))
    if session is None:
        return None
    digest = sessions.digest_of(context.orders.keyring, session.id)
    async with context.orders.ledger.reading() as tx:
        now = (await sessions.grants_of(tx, [digest], context.orders.time.now())).get(digest)
    return structs.replace(session, role=now.role, scope=now.scope) if now else None


async def begin_session(request: web.Request, response: web.StreamResponse, caller: Caller, account: str = "") -> None:
    """Sign `caller` in: the cookie is not readable by scripts, and not sent along by other sites' forms."""
    context = request.app[CONTEXT]
    session = Session(new_session_id(), caller.name, caller.role, caller.key_id, caller.scope)
    request[CALLER] = caller
    line = audited.audit_line(request, "signed_in")
    async with context.orders.ledger.transaction() as tx:
        await sessions.begin(
            tx,
            session.id,
            session.name,
            session.role,
            context.orders.time.now(),
            key_id=session.key_id,
            account=account,
            scope=session.scope,
        )
        await write_audit(tx, [line], context.orders.time.now())
    secure = context.settings.public_url.startswith("https://")
    value = context.sessions.issue(session)
    response.set_cookie(COOKIE, value, max_age=LIFE_S, httponly=True, samesite="Lax", secure=secure, path="/")


def stream_right_of(request: web.Request) -> StreamRight:
    """The right by which this caller may read a stream, checked repeatedly while the stream is open."""
    caller, context, role = request[CALLER], request.app[CONTEXT], request[ROUTE].role
    roles = frozenset(r for r, included in INCLUDES.items() if role in included)
    if caller.session_id:
        digest = sessions.digest_of(context.orders.keyring, caller.session_id)
        return StreamRight(roles, scope_of(request), session=digest)
    return StreamRight(roles, scope_of(request), key_id=caller.key_id)


async def _from_our_pages(request: web.Request, caller: Caller) -> Caller:
    """The caller, if a request that changes something has our pages' CSRF token; raises Problem for one without."""
    if request.method in SAFE:
        return caller
    token = request.headers.get(CSRF_HEADER, "")
    if not token and request.content_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
        token = (await form_of(request, files=True)).get(CSRF_FIELD, "")
    if not request.app[CONTEXT].sessions.csrf_fits(caller.session_id or OPEN_SESSION, token):
        request[CALLER] = caller
        await audited.record_refused(request, "it did not come from a page of the desk")
        raise Problem(403, "Refused", f"a page of the desk must send its {CSRF_HEADER}; reload it and try again")
    return caller

"""Sign-in with the company's own accounts: OpenID Connect, authorization code with PKCE, its token checked by joserfc.

The role comes from one claim of the id token (`OIDC_ROLE_CLAIM`), what the account is limited to from another
(`OIDC_SCOPE_CLAIM`, where it is set); whoever lacks either may not in.
"""

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Collection
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
import structlog
from aiohttp import ClientError, ClientSession, ClientTimeout, web
from msgspec import Struct

from service.domain.audiences import audiences_of, check_fits
from service.domain.control_characters import one_line
from service.domain.errors import Rejection
from service.domain.json_object import JsonObject
from service.domain.scopes import EVERYTHING, Scope, read_scope
from service.ledger.access.api_keys import ACCOUNT, ROLES, Caller, Role
from service.web.audited import record_stranger
from service.web.auth import begin_session, may
from service.web.context import CONTEXT
from service.web.desk.sign_in import safe_next
from service.web.page_query_types import SignInQuery
from service.web.problems import Problem
from service.web.queries import query_of

log = structlog.get_logger(__name__)
STATE_COOKIE: Final = "stagebell_oidc"
STATE_LIFE_S: Final = 600
TIMEOUT: Final = ClientTimeout(total=10)
ALGORITHMS: Final = ["RS256", "ES256", "PS256"]
DESK_ROLES: Final[tuple[Role, ...]] = ("admin", "supervisor", "agent")
# In the claim of scopes: limited to nothing.
ALL: Final = "all"


class ProviderMetadata(Struct, frozen=True):
    """The parts of a discovery document that are used."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


def _redirect_uri(request: web.Request) -> str:
    return f"{request.app[CONTEXT].settings.public_url}/desk/sign-in/oidc/callback"


async def begin_oidc(request: web.Request) -> web.StreamResponse:
    """Send the browser to the identity provider."""
    context = request.app[CONTEXT]
    settings = context.settings
    if not settings.oidc_issuer:
        raise web.HTTPNotFound
    found = await _provider(settings.oidc_issuer)
    state = {
        "state": secrets.token_urlsafe(16),
        "nonce": secrets.token_urlsafe(16),
        "verifier": secrets.token_urlsafe(48),
        "next": safe_next(query_of(request, SignInQuery).next),
    }
    query = {
        "response_type": "code",
        "client_id": settings.oidc_client_id,
        "redirect_uri": _redirect_uri(request),
        "scope": "openid profile email",
        "state": state["state"],
        "nonce": state["nonce"],
        "code_challenge": _challenge(state["verifier"]),
        "code_challenge_method": "S256",
    }
    response = web.HTTPFound(f"{found.authorization_endpoint}?{urlencode(query)}")
    secure = settings.public_url.startswith("https://")
    value = context.sessions.sign(state, "oidc")
    response.set_cookie(
        STATE_COOKIE, value, max_age=STATE_LIFE_S, httponly=True, samesite="Lax", secure=secure, path="/desk/sign-in"
    )
    raise response


async def end_oidc(request: web.Request) -> web.StreamResponse:
    """The browser is back: trade the code for an id token, check it, and begin a session."""
    context = request.app[CONTEXT]
    settings = context.settings
    sign_in: Any = context.sessions.unsign(request.cookies.get(STATE_COOKIE, ""), "oidc", STATE_LIFE_S)
    if not settings.oidc_issuer or sign_in is None or request.query.get("state") != sign_in["state"]:
        raise Problem(
            403,
            "Refused",
            "the sign-in was not started in this browser, or took too long; begin again at /desk/sign-in",
        )
    try:
        claims = await _claims(request, sign_in)
    except Problem:
        await record_stranger(request, "sign_in.failed", why="the identity provider's answer could not be trusted")
        raise
    packs = [p.workflow for p in context.orders.packs]
    role = _role(claims.get(settings.oidc_role_claim), {a for w in packs for a in audiences_of(w)})
    if role is None:
        await record_stranger(request, "sign_in.failed", why="the account has no role for the desk")
        raise Problem(403, "Not allowed", f"your account has no role for the desk in its {settings.oidc_role_claim!r}")
    try:
        scope = _scope(claims, settings.oidc_scope_claim)
        check_fits(role, scope, packs, ROLES)
    except Rejection as rejection:
        await record_stranger(request, "sign_in.failed", why="what the account is limited to cannot be understood")
        problem = f"your account's {settings.oidc_scope_claim or 'scopes'!r}: {rejection.reason}"
        raise Problem(403, "Not allowed", problem) from None
    account = str(claims["sub"])
    name = one_line(str(claims.get("preferred_username") or claims.get("name") or account))[:120]
    response = web.HTTPFound(sign_in["next"])
    caller = Caller(f"{ACCOUNT}{name}", role, scope=scope)
    await begin_session(request, response, caller, f"{settings.oidc_issuer} {account}")
    response.del_cookie(STATE_COOKIE, path="/desk/sign-in")
    log.info("oidc.signed_in", role=role)
    raise response


async def _claims(request: web.Request, sign_in: dict[str, str]) -> JsonObject:
    from joserfc import jwt  # loaded for the first who signs in so, as most installations have no such way
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    settings = request.app[CONTEXT].settings
    found = await _provider(settings.oidc_issuer)
    form = {
        "grant_type": "authorization_code",
        "code": request.query.get("code", ""),
        "redirect_uri": _redirect_uri(request),
        "client_id": settings.oidc_client_id,
        "client_secret": settings.oidc_client_secret.get_secret_value(),
        "code_verifier": sign_in["verifier"],
    }
    try:
        async with ClientSession(timeout=TIMEOUT) as session:
            async with session.post(found.token_endpoint, data=form, allow_redirects=False) as answer:
                token = (await answer.json()).get("id_token", "") if answer.status == 200 else ""
            async with session.get(found.jwks_uri) as answer:
                keys = KeySet.import_key_set(await answer.json())
        decoded = jwt.decode(token, keys, algorithms=ALGORITHMS)
        jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": found.issuer},
            sub={"essential": True},
            aud={"essential": True, "value": settings.oidc_client_id},
            exp={"essential": True},
            nonce={"essential": True, "value": sign_in["nonce"]},
        ).validate(decoded.claims)
        _check_parties(decoded.claims, settings.oidc_client_id)
    except (ClientError, TimeoutError, JoseError, ValueError, KeyError, TypeError) as error:
        log.warning("oidc.refused", error=type(error).__name__)
        raise Problem(403, "Refused", "the identity provider's answer could not be trusted") from None
    return decoded.claims


def _check_parties(claims: JsonObject, client_id: str) -> None:
    """The token is about somebody and for us (OpenID Connect Core, §2, §3.1.3.7); raises ValueError, KeyError."""
    if not isinstance(claims["sub"], str) or not claims["sub"]:
        raise ValueError("sub")
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if (several or "azp" in claims) and claims.get("azp") != client_id:
        raise ValueError("azp")


async def _provider(issuer: str) -> ProviderMetadata:
    """What the identity provider says of itself, if it is the one that is meant (OpenID Connect Discovery, §4.3)."""
    try:
        async with (
            ClientSession(timeout=TIMEOUT) as session,
            session.get(f"{issuer}/.well-known/openid-configuration") as answer,
        ):
            found = msgspec.convert(await answer.json(), ProviderMetadata)
    except (ClientError, TimeoutError, ValueError, msgspec.ValidationError) as error:
        log.warning("oidc.unreachable", error=type(error).__name__)
        raise Problem(503, "Unavailable", "the identity provider did not answer") from None
    if found.issuer.rstrip("/") != issuer:
        log.warning("oidc.refused", error="the discovery document names another issuer than OIDC_ISSUER")
        raise Problem(403, "Refused", "the identity provider's answer could not be trusted: it is another issuer's")
    return found


def _challenge(verifier: str) -> str:
    """PKCE with S256 (RFC 7636, §4.2)."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")


def _role(claim: Any, audiences: Collection[str]) -> str | None:
    """The highest role of the desk that the claim names, else the first audience of a pack."""
    names = claim if isinstance(claim, list) else [claim]
    staff = next((role for role in DESK_ROLES if role in names and may(Caller("", role), "agent")), None)
    parties = (n for n in names if isinstance(n, str) and n in audiences and n not in ROLES)
    return staff or next(parties, None)


def _scope(claims: JsonObject, name: str) -> Scope:
    """What the claim of this name limits the account to: a list, or a text parted by blanks; raises Rejection.

    Where it is asked for and missing, that is no leave to see everything: `all` is.
    """
    if not name:
        return EVERYTHING
    limits = claims.get(name)
    texts = limits.split() if isinstance(limits, str) else limits
    if not isinstance(texts, list) or not texts or not all(isinstance(t, str) for t in texts):
        raise Rejection("a list of scopes such as workflow:NAME or AUDIENCE:ID is expected, or 'all'")
    return EVERYTHING if texts == [ALL] else read_scope(texts)

"""A stand-in identity provider: OpenID Connect discovery, authorization code with PKCE, signed id tokens."""

import base64
import hashlib
import hmac
import json
import time
from functools import cache
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.support.standin import StandIn

CLIENT, SECRET = "desk", "client-secret-for-tests"


@cache
def _own_key() -> RSAKey:
    """One key for the whole run, as generating one takes longer than most tests."""
    return RSAKey.generate_key(2048, parameters={"kid": "k1"}, auto_kid=False)


class Issuer(StandIn):
    """Signs in everybody with `claims`; `key` signs, `published` is the key set for verification."""

    def __init__(self) -> None:
        self.key = _own_key()
        self.published = self.key
        self.claims: dict[str, Any] = {}
        self.forged = ""
        self.names_itself = ""
        self.codes: dict[str, dict[str, str]] = {}

    def routes(self) -> list[web.RouteDef]:
        """Discovery, and the endpoints that it names."""
        return [
            web.get("/.well-known/openid-configuration", self._discovery),
            web.get("/authorize", self._authorize),
            web.post("/token", self._token),
            web.get("/keys", self._keys),
        ]

    async def _discovery(self, _request: web.Request) -> web.Response:
        ends = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        return web.json_response(
            {"issuer": self.names_itself or self.url, **{name: f"{self.url}/{path}" for name, path in ends.items()}}
        )

    async def _authorize(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        raise web.HTTPFound(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}")

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        asked = self.codes.pop(str(form["code"]), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(str(form["code_verifier"]).encode()).digest()).rstrip(b"=")
        if (
            asked is None
            or asked["code_challenge"] != challenge.decode()
            or form["redirect_uri"] != asked["redirect_uri"]
            or (form["client_id"], form["client_secret"]) != (CLIENT, SECRET)
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        now = int(time.time())
        usual = {"iss": self.url, "aud": CLIENT, "sub": "u-1", "nonce": asked["nonce"], "iat": now, "exp": now + 300}
        token = self._token_of({k: v for k, v in {**usual, **self.claims}.items() if v is not None})
        return web.json_response({"id_token": token, "access_token": "a", "token_type": "Bearer"})

    def _token_of(self, claims: dict[str, Any]) -> str:
        if self.forged == "unsigned":
            parts = [base64.urlsafe_b64encode(json.dumps(part).encode()) for part in ({"alg": "none"}, claims)]
            return b".".join(p.rstrip(b"=") for p in (*parts, b"")).decode()
        if self.forged == "symmetric":
            # The public key as an HMAC secret: the classic algorithm confusion attack.
            # Built manually, as the library refuses to create such a key.
            parts = [base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=")
                     for p in ({"alg": "HS256", "kid": "k1"}, claims)]  # fmt: skip
            signed = hmac.digest(self.published.as_pem(private=False), b".".join(parts), "sha256")
            return b".".join((*parts, base64.urlsafe_b64encode(signed).rstrip(b"="))).decode()
        return jwt.encode({"alg": "RS256", "kid": "k1"}, claims, self.key)

    async def _keys(self, _request: web.Request) -> web.Response:
        return web.json_response({"keys": [self.published.as_dict(private=False)]})

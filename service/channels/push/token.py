"""Google's access tokens: fetched by one for all, within a time of their own, and never as part of a send.

The grant is a JWT that the service account's key signs (Google, "Using OAuth 2.0 for Server to Server Applications";
RFC 7523, §2.1).
"""

import asyncio
import time
from functools import lru_cache
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout
from joserfc import jwt
from joserfc.jwk import RSAKey
from msgspec import Struct

from service.channels.http_answers import SUCCESS, field_of, json_object, text_of
from service.channels.words import words_of

SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
GRANT_LIFE_S: Final = 3600  # the longest that Google takes
TIMEOUT_S: Final = 5.0
# A token that is nearly over is not begun with: the send, and a clock that is a little off, come on top.
EARLY_S: Final = 225.0
# A failure is everybody's for so long: those who wait do not ask one after the other.
FAILED_FOR_S: Final = 1.0
# A new token is refused like the old one where something else is wrong: not each message fetches its own.
FORCED_EVERY_S: Final = 10.0
# Nobody looked at our key yet: too slow, too many, and RFC 6749's words for an endpoint in trouble.
_LATER: Final = frozenset({408, 429})
_IN_TROUBLE: Final = frozenset({"internal_failure", "server_error", "temporarily_unavailable"})


@lru_cache(maxsize=4)
def signing_key(pem: str) -> RSAKey:
    """A service account's key, kept, as trying its primes takes a tenth of a second; raises ValueError for none."""
    return RSAKey.import_key(pem)


class ServiceAccount(Struct, frozen=True):
    """What of a key file is used (Google, "Service account credentials")."""

    project_id: str
    client_email: str
    private_key: str
    token_uri: str
    private_key_id: str = ""

    @classmethod
    def read(cls, file: Path) -> "ServiceAccount":
        """The account of a key file; raises msgspec.DecodeError for one that lacks something."""
        return msgspec.json.decode(file.read_bytes(), type=cls)

    def __repr__(self) -> str:
        return f"ServiceAccount({self.client_email})"

    def grant(self) -> str:
        """A signed request for a token, good for an hour; raises ValueError where the key is none."""
        now = int(time.time())
        claims = {
            "iss": self.client_email,
            "scope": SCOPE,
            "aud": self.token_uri,
            "iat": now,
            "exp": now + GRANT_LIFE_S,
        }
        header = {"alg": "RS256", "typ": "JWT", "kid": self.private_key_id}
        return jwt.encode(header, claims, signing_key(self.private_key))


class NoToken(Exception):
    """There is no access token, so nothing was sent. `refused`: Google refuses our key, rather than being away."""

    def __init__(self, code: str, words: str, *, refused: bool) -> None:
        super().__init__(words)
        self.code = code
        self.words = words
        self.refused = refused


class TokenSource:
    """One flight at a time, shared by all senders, that ends within half of a send's time."""

    def __init__(self, account: ServiceAccount, timeout_s: float) -> None:
        self._account = account
        self._timeout_s = min(TIMEOUT_S, timeout_s / 2)
        self._token = ""  # nosec B105 - none yet
        self._valid_until = 0.0
        self._flight: asyncio.Task[None] | None = None
        self._failed: tuple[NoToken, float] | None = None
        self._forced_until = 0.0

    async def get(self) -> str:
        """A valid token; raises NoToken."""
        if not self._token or asyncio.get_running_loop().time() >= self._valid_until:
            await self._refreshed()
        return self._token

    async def get_instead_of(self, refused: str) -> str | None:
        """A new token for one that was refused, or None where that was tried a moment ago; raises NoToken."""
        now = asyncio.get_running_loop().time()
        if self._token == refused:
            flying = self._flight is not None and not self._flight.done()
            if now < self._forced_until and not flying:
                return None
            self._forced_until = now + FORCED_EVERY_S
            await self._refreshed()
        return self._token

    async def _refreshed(self) -> None:
        if self._failed is not None and asyncio.get_running_loop().time() < self._failed[1]:
            raise self._failed[0]
        if self._flight is None or self._flight.done():
            self._flight = asyncio.create_task(self._fly())
            # Where all who waited have gone, nobody else asks what became of it.
            self._flight.add_done_callback(lambda flight: flight.cancelled() or flight.exception())
        await asyncio.shield(self._flight)

    async def _fly(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._token, life_s = await self._fetched()
            self._valid_until, self._failed = loop.time() + life_s - EARLY_S, None
        except NoToken as failed:
            self._failed = (failed, loop.time() + FAILED_FOR_S)
            raise

    async def _fetched(self) -> tuple[str, float]:
        form = {"grant_type": GRANT, "assertion": self._account.grant()}
        try:
            # A connection of its own: it is asked once an hour, and none of the sends' is taken for it.
            async with (
                ClientSession(timeout=ClientTimeout(total=self._timeout_s)) as session,
                session.post(self._account.token_uri, data=form, allow_redirects=False) as response,
            ):
                status, text = response.status, await text_of(response)
        except (ClientError, OSError, TimeoutError, ValueError) as error:
            raise NoToken("token", f"no access token: {type(error).__name__}", refused=False) from None
        return _token_in(status, text)


def _token_in(status: int, text: str) -> tuple[str, float]:
    """The token and its life in seconds; raises NoToken with what was said in its place (RFC 6749, §5.1 and §5.2)."""
    body = json_object(text)
    error = field_of(body, "error")
    if status in SUCCESS and not error and (token := field_of(body, "access_token")):
        life = field_of(body, "expires_in")
        return token, float(life) if life.isdecimal() else float(GRANT_LIFE_S)
    words = words_of(field_of(body, "error_description") or ("" if body else text))
    about_us = bool(error) or (status in range(400, 500) and status not in _LATER)
    later = status in _LATER or status >= 500 or error in _IN_TROUBLE
    raise NoToken((error or "token")[:60], words or f"no access token: HTTP {status}", refused=about_us and not later)

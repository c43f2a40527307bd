"""Google's access tokens: fetched once for all senders, within a time limit of its own, separately from sends.

The grant is a JWT signed with the service account's key (Google, "Using OAuth 2.0 for Server to Server Applications";
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
from service.channels.words import cleaned_text

SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
GRANT_LIFE_S: Final = 3600  # Google's maximum
TIMEOUT_S: Final = 5.0
# A token is renewed this long before its end, which leaves time for the send and for clocks that differ.
EARLY_S: Final = 225.0
# Failures are shared for this long, so that waiting sends do not retry one after the other.
FAILED_FOR_S: Final = 1.0
# If something else is wrong, a new token is rejected like the old one, so not every message fetches its own.
FORCED_EVERY_S: Final = 10.0
# Errors that say nothing about our key: too slow, too many, and RFC 6749's codes for a server with problems.
_LATER: Final = frozenset({408, 429})
_IN_TROUBLE: Final = frozenset({"internal_failure", "server_error", "temporarily_unavailable"})


@lru_cache(maxsize=4)
def signing_key(pem: str) -> RSAKey:
    """A service account's key, cached, as checking its primes takes a tenth of a second; ValueError if invalid."""
    return RSAKey.import_key(pem)


class ServiceAccount(Struct, frozen=True):
    """The fields of a key file that are used (Google, "Service account credentials")."""

    project_id: str
    client_email: str
    private_key: str
    token_uri: str
    private_key_id: str = ""

    @classmethod
    def read(cls, file: Path) -> "ServiceAccount":
        """Read a key file; raises msgspec.DecodeError if a field is missing."""
        return msgspec.json.decode(file.read_bytes(), type=cls)

    def __repr__(self) -> str:
        return f"ServiceAccount({self.client_email})"

    def grant(self) -> str:
        """A signed request for a token, valid for an hour; raises ValueError for an invalid key."""
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
    """There is no access token, so nothing was sent. `refused`: Google rejected our key; else it is unavailable."""

    def __init__(self, code: str, words: str, *, refused: bool) -> None:
        super().__init__(words)
        self.code = code
        self.words = words
        self.refused = refused


class TokenSource:
    """Fetches tokens: one request at a time, shared by all senders, within half of a send's time."""

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
        """A new token in place of a rejected one, None if one was fetched just before; raises NoToken."""
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
            # If all waiting senders were cancelled, nobody else retrieves the exception.
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
            # A separate connection, as it is used once an hour and must not take one of the sends'.
            async with (
                ClientSession(timeout=ClientTimeout(total=self._timeout_s)) as session,
                session.post(self._account.token_uri, data=form, allow_redirects=False) as response,
            ):
                status, text = response.status, await text_of(response)
        except (ClientError, OSError, TimeoutError, ValueError) as error:
            raise NoToken("token", f"no access token: {type(error).__name__}", refused=False) from None
        return _token_in(status, text)


def _token_in(status: int, text: str) -> tuple[str, float]:
    """The token and its lifetime in seconds; raises NoToken with the error (RFC 6749, §5.1 and §5.2)."""
    body = json_object(text)
    error = field_of(body, "error")
    if status in SUCCESS and not error and (token := field_of(body, "access_token")):
        life = field_of(body, "expires_in")
        return token, float(life) if life.isdecimal() else float(GRANT_LIFE_S)
    words = cleaned_text(field_of(body, "error_description") or ("" if body else text))
    about_us = bool(error) or (status in range(400, 500) and status not in _LATER)
    later = status in _LATER or status >= 500 or error in _IN_TROUBLE
    raise NoToken((error or "token")[:60], words or f"no access token: HTTP {status}", refused=about_us and not later)

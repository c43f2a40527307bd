"""Google's access tokens: fetched by one for all, within a time of their own, and never as part of a send."""

import asyncio
from functools import partial
from typing import Any, Final, Protocol

import google.auth.exceptions
import google.auth.transport.requests

from service.dispatch.channels.http_answers import json_object
from service.dispatch.channels.words import words_of

TIMEOUT_S: Final = 5.0
# A failure is everybody's for so long: those who wait do not ask one after the other.
FAILED_FOR_S: Final = 1.0
# A new token is refused like the old one where something else is wrong: not each message fetches its own.
FORCED_EVERY_S: Final = 10.0
# google-auth tries three times by itself, in a thread that nobody can stop.
FLIGHT_ENDS: Final = 4


class Credentials(Protocol):
    """What of google-auth's credentials is used."""

    token: Any
    valid: bool

    def refresh(self, request: Any) -> None:
        """Fetch a token; blocks."""


class NoToken(Exception):
    """There is no access token, so nothing was sent. `refused`: Google refuses our key, rather than being away."""

    def __init__(self, code: str, words: str, *, refused: bool) -> None:
        super().__init__(words)
        self.code = code
        self.words = words
        self.refused = refused


class TokenSource:
    """One flight at a time, shared by all senders; each waits no longer than the flight's own limit."""

    def __init__(self, credentials: Credentials, timeout_s: float) -> None:
        self._credentials = credentials
        # Half of a send's time: there must be some left to send in.
        self._timeout_s = min(TIMEOUT_S, timeout_s / 2)
        self._flight: asyncio.Task[None] | None = None
        self._failed: tuple[NoToken, float] | None = None
        self._forced_until = 0.0

    async def get(self) -> str:
        """A valid token; raises NoToken."""
        if not self._credentials.valid:
            await self._refreshed()
        return str(self._credentials.token)

    async def get_instead_of(self, refused: str) -> str | None:
        """A new token for one that was refused, or None where that was tried a moment ago; raises NoToken."""
        now = asyncio.get_running_loop().time()
        if self._credentials.token == refused:
            flying = self._flight is not None and not self._flight.done()
            if now < self._forced_until and not flying:
                return None
            self._forced_until = now + FORCED_EVERY_S
            await self._refreshed()
        return str(self._credentials.token)

    async def _refreshed(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._failed is not None and now < self._failed[1]:
            raise self._failed[0]
        if self._flight is None or self._flight.done():
            self._flight = asyncio.create_task(self._fly())
            # Where all who waited have gone, nobody else asks what became of it.
            self._flight.add_done_callback(lambda flight: flight.cancelled() or flight.exception())
        try:
            async with asyncio.timeout(self._timeout_s):
                await asyncio.shield(self._flight)
        except TimeoutError:
            raise self._fail(NoToken("token", "no access token in time", refused=False)) from None
        except NoToken as failed:
            raise self._fail(failed) from None

    def _fail(self, failed: NoToken) -> NoToken:
        self._failed = (failed, asyncio.get_running_loop().time() + FAILED_FOR_S)
        return failed

    async def _fly(self) -> None:
        # The thread outlives our patience unless the request itself is bounded.
        request = partial(google.auth.transport.requests.Request(), timeout=self._timeout_s)
        try:
            async with asyncio.timeout(self._timeout_s * FLIGHT_ENDS):
                await asyncio.to_thread(self._credentials.refresh, request)
            self._failed = None
        except google.auth.exceptions.RefreshError as error:
            raise _refusal(error) from None
        except Exception as error:
            # Such as a page in place of an answer, which google-auth reads as if it were one.
            raise NoToken("token", f"no access token: {type(error).__name__}", refused=False) from None


def _refusal(error: google.auth.exceptions.RefreshError) -> NoToken:
    """What Google's token endpoint said (RFC 6749, §5.2): about our key, unless it asks us to come again."""
    text = " ".join(str(a) for a in error.args)
    body: dict[str, Any] = {}
    for part in error.args:
        body = part if isinstance(part, dict) else json_object(str(part))
        if body:
            break
    code = str(body.get("error") or "token")[:60]
    words = words_of(str(body.get("error_description") or ("" if body else text)))
    return NoToken(code, words, refused=not getattr(error, "retryable", False))

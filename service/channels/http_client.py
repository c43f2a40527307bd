"""A minimal client for providers with an HTTP API, over aiohttp.

This is the most expensive part of a send (docs/benchmarks.md), so work is avoided: bodies and headers are prepared by
the caller, cookies are ignored, answers are requested uncompressed, and one timer bounds a whole
request. `python -m bench.sending` measures the cost of a request.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from msgspec import Struct

from service.channels.http_answers import text_of

CONNECT_TIMEOUT_S: Final = 5.0
# Answers have about a kilobyte; compressing them costs more than it saves (RFC 9110, §12.5.3).
UNPACKED: Final = {"Accept-Encoding": "identity"}


class HttpAnswer(Struct, frozen=True):
    """An answer whose body has been read. `retry_after`: the header as received."""

    status: int
    text: str
    retry_after: str | None


class HttpClient:
    """A pool of connections to one provider; its creator closes it."""

    def __init__(self, connections: int, timeout_s: float) -> None:
        """`timeout_s`: the time limit of a whole request, in seconds; connecting may take half of it.

        So it is certain that a request which could not connect was not sent.
        """
        self._timeout_s = timeout_s
        self._session = ClientSession(
            connector=TCPConnector(limit=connections, ttl_dns_cache=60),
            cookie_jar=DummyCookieJar(),
            timeout=ClientTimeout(total=None, sock_connect=min(CONNECT_TIMEOUT_S, timeout_s / 2)),
            headers=UNPACKED,
        )

    async def request(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> HttpAnswer:
        """Send one request; redirects are not followed. Raises TimeoutError and aiohttp's errors."""
        async with (
            asyncio.timeout(self._timeout_s),
            self._session.request(method, url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            return HttpAnswer(response.status, await text_of(response), response.headers.get("Retry-After"))

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

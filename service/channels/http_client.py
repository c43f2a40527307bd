"""Requests to providers that speak HTTP, over aiohttp with no more than they need.

This is the dearest part of a send (docs/benchmarks.md), so nothing is done twice: bodies and headers come ready, no
cookie is kept or sent, answers are asked for uncompressed, and one timer bounds a request where aiohttp would start its
own beside it. `python -m bench.sending` has what a request costs.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from msgspec import Struct

from service.channels.http_answers import text_of

CONNECT_TIMEOUT_S: Final = 5.0
# Answers have about a kilobyte: packing one costs both sides more than it saves (RFC 9110, §12.5.3).
UNPACKED: Final = {"Accept-Encoding": "identity"}


class HttpAnswer(Struct, frozen=True):
    """An answer that is read already, as far as it goes. `retry_after`: that header as it came."""

    status: int
    text: str
    retry_after: str | None


class HttpClient:
    """A pool of connections to one provider; its creator closes it."""

    def __init__(self, connections: int, timeout_s: float) -> None:
        """`timeout_s`: what a whole request may take, in seconds; connecting has half of it at most.

        So that whatever did not connect is known not to have left, rather than unanswered.
        """
        self._timeout_s = timeout_s
        self._session = ClientSession(
            connector=TCPConnector(limit=connections, ttl_dns_cache=60),
            cookie_jar=DummyCookieJar(),
            timeout=ClientTimeout(total=None, sock_connect=min(CONNECT_TIMEOUT_S, timeout_s / 2)),
            headers=UNPACKED,
        )

    async def request(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> HttpAnswer:
        """Ask once; no redirect is followed. Raises TimeoutError and what aiohttp raises."""
        async with (
            asyncio.timeout(self._timeout_s),
            self._session.request(method, url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            return HttpAnswer(response.status, await text_of(response), response.headers.get("Retry-After"))

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

"""Parses providers' HTTP answers, in common for all channels that use HTTP."""

import asyncio
import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import structlog
from aiohttp import ClientError, ClientResponse

from service.domain.json_object import JsonObject
from service.telemetry import metrics

log = structlog.get_logger(__name__)
DEFAULT_RETRY_AFTER_S: Final = 1.0
LONGEST_RETRY_AFTER_S: Final = 3600.0
_reported: Final[set[tuple[str, str, int]]] = set()
REPORTED_AT_MOST: Final = 1000
# Providers' answers have a few kilobytes; a longer one is a proxy's page, whose beginning suffices.
READ_AT_MOST: Final = 256 * 1024
READ_OF_YES: Final = 4 * 1024 * 1024
SUCCESS: Final = range(200, 300)
# The result follows from the status; the body is not worth waiting for.
WORDS_WITHIN_S: Final = 1.0


class HttpRefusal(Exception):
    """An answer with another status than success, as received."""

    def __init__(self, status: int, text: str, retry_after: str | None = None) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.text = text
        self.retry_after = retry_after

    @property
    def json(self) -> JsonObject:
        """The body if it is a JSON object, else an empty object."""
        return json_object(self.text)


async def text_of(response: ClientResponse) -> str:
    """The body as text, or its beginning; raises network errors only if the status is success.

    Another status is a definite answer: nothing was accepted. A body that breaks off, comes slowly or has an unknown
    charset does not change that. Unread parts are discarded with the connection.
    """
    content, is_yes = response.content, response.status in SUCCESS
    kept = bytearray()
    try:
        if content.is_eof():  # it arrived with the headers, as most do
            kept += content.read_nowait()[:READ_OF_YES]
            return _decoded(kept, response)
        async with asyncio.timeout(None if is_yes else WORDS_WITHIN_S):
            async for chunk in content.iter_chunked(READ_AT_MOST):
                kept += chunk
                if len(kept) >= (READ_OF_YES if is_yes else READ_AT_MOST):
                    response.close()
                    break
    except (ClientError, OSError, TimeoutError):
        response.close()
        if is_yes:
            raise
    return _decoded(kept, response)


def _decoded(kept: bytearray, response: ClientResponse) -> str:
    try:
        return kept.decode(response.charset or "utf-8", "replace")
    except LookupError:
        return kept.decode("utf-8", "replace")


def json_object(text: str) -> JsonObject:
    """A JSON object, alone or as the only item of a list (as from some of Google's front ends); else empty."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if isinstance(body, list) and len(body) == 1:
        (body,) = body
    return body if isinstance(body, dict) else {}


def field_of(body: JsonObject, name: str) -> str:
    """A text or number field as text; empty for other types."""
    value = body.get(name)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def seconds_of(text: str | None) -> float:
    """A Retry-After header in seconds, at most an hour: a number or a date (RFC 9110, §10.2.3)."""
    if not text:
        return DEFAULT_RETRY_AFTER_S
    try:
        wait = float(text)
    except ValueError:
        try:
            wait = (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return DEFAULT_RETRY_AFTER_S
    # NaN is unequal to itself.
    return min(max(wait, 0.0), LONGEST_RETRY_AFTER_S) if wait == wait else DEFAULT_RETRY_AFTER_S  # noqa: PLR0124


def report_unknown_code(provider: str, code: str, status: int, taken_as: str) -> None:
    """Report a code that is not in the provider's published list: count it, and log it once."""
    metrics.provider_unknown_codes.labels(provider).inc()
    if (provider, code, status) not in _reported and len(_reported) < REPORTED_AT_MOST:
        _reported.add((provider, code, status))
        log.warning("provider.unknown_code", provider=provider, code=code, status=status, taken_as=taken_as)

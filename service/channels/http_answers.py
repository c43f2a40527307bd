"""Answers of providers that speak HTTP: what every such channel reads alike."""

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
# Answers of providers have a few kilobytes; what is longer is a proxy's page, and its beginning will do.
READ_AT_MOST: Final = 256 * 1024
READ_OF_YES: Final = 4 * 1024 * 1024
SUCCESS: Final = range(200, 300)
# What a status says does not wait for the words that follow it.
WORDS_WITHIN_S: Final = 1.0


class HttpRefusal(Exception):
    """An answer that is not yes, as it came."""

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
    """The body as text, its beginning at least; raises what the network raises only where the answer is yes.

    A status that is not yes is an answer by itself: nothing was taken. A body that breaks off, drips, or is in no
    charset takes nothing from that. Let the rest go with the connection.
    """
    content, is_yes = response.content, response.status in SUCCESS
    kept = bytearray()
    try:
        if content.is_eof():  # it came with its head, as most do
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
    """A JSON object, alone or as the only one of a list (so some of Google's front ends); empty for anything else."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if isinstance(body, list) and len(body) == 1:
        (body,) = body
    return body if isinstance(body, dict) else {}


def field_of(body: JsonObject, name: str) -> str:
    """A field of text or number, as text; empty for what is neither."""
    value = body.get(name)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def seconds_of(text: str | None) -> float:
    """A Retry-After header in seconds, an hour at most: a number, or a date (RFC 9110, §10.2.3)."""
    if not text:
        return DEFAULT_RETRY_AFTER_S
    try:
        wait = float(text)
    except ValueError:
        try:
            wait = (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return DEFAULT_RETRY_AFTER_S
    # Not a number compares with nothing.
    return min(max(wait, 0.0), LONGEST_RETRY_AFTER_S) if wait == wait else DEFAULT_RETRY_AFTER_S  # noqa: PLR0124


def report_unknown_code(provider: str, code: str, status: int, taken_as: str) -> None:
    """A code that no published list has: count it, and log it once."""
    metrics.provider_unknown_codes.labels(provider).inc()
    if (provider, code, status) not in _reported and len(_reported) < REPORTED_AT_MOST:
        _reported.add((provider, code, status))
        log.warning("provider.unknown_code", provider=provider, code=code, status=status, taken_as=taken_as)

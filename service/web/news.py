"""Long polling: pages that refresh themselves are answered as soon as there is something new.

A page says what it shows (`X-Seen`) and how long it waits (`Prefer: wait=8`, RFC 7240, §4.3). What was committed here
is noticed at once, by other processes through LISTEN; changes without a notification, such as receipts, within
"""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web

from service.ledger.database.wakeups import TALK_TOPIC
from service.web.context import CONTEXT

T = TypeVar("T")
LEAVING: Final = web.AppKey("leaving", asyncio.Event)
LOOK_EVERY_S: Final = 1.0
# Less than proxies wait for an answer, and than a revoked session may still work.
LONGEST_S: Final = 8
_WAIT: Final = re.compile(r"(?:^|[,;])\s*wait=(\d{1,4})\s*(?=$|[,;])")


def mark_of(value: Any) -> str:
    """A mark of what a page shows, by which a change is noticed."""
    return blake2b(msgspec.json.encode(value), digest_size=8).hexdigest()


async def news(request: web.Request, look: Callable[[], Awaitable[T]]) -> tuple[T, str] | None:
    """What `look` finds, and its mark, once it differs from what the page shows; None where nothing changes in time."""
    loop, seen = asyncio.get_running_loop(), request.headers.get("X-Seen", "")
    until = loop.time() + (_waits_for(request) if seen else 0)
    leaving = request.app[LEAVING]
    with request.app[CONTEXT].orders.wakeups.subscribed(TALK_TOPIC) as wakeup:
        while True:
            wakeup.clear()
            found = await look()
            if (mark := mark_of(found)) != seen:
                return found, mark
            left = until - loop.time()
            if left <= 0 or leaving.is_set() or request.transport is None or request.transport.is_closing():
                return None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, LOOK_EVERY_S)):
                    await wakeup.wait()


def _waits_for(request: web.Request) -> int:
    found = _WAIT.search(request.headers.get("Prefer", ""))
    return min(int(found[1]), LONGEST_S) if found else 0

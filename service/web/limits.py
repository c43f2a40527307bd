"""Rate limits: calls per key, wrong guesses per network, and open streams per key.

By network only wrong guesses are counted: a valid key, link or sign-in is never refused for what others at the
same address do. Each kind of guess has a limit of its own.
"""

import contextlib
from collections import Counter, OrderedDict
from collections.abc import Iterator
from typing import Final, Literal

from aiolimiter import AsyncLimiter

KEPT: Final = 10_000
Kind = Literal["key", "link", "sign-in"]


class RateLimits:
    """Leaky buckets by name; the least recently used are dropped first. Rates are per minute; 0 is no limit."""

    def __init__(self, calls_per_minute: int, failures_per_minute: int, streams_per_key: int = 0) -> None:
        self._calls = calls_per_minute
        self._failures = failures_per_minute
        self._streams = streams_per_key
        self._buckets: OrderedDict[str, AsyncLimiter] = OrderedDict()
        self._open: Counter[str] = Counter()

    async def _take(self, name: str, rate: int) -> bool:
        if not rate:
            return True
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = AsyncLimiter(rate, 60)
            if len(self._buckets) > KEPT:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(name)
        if not bucket.has_capacity():
            return False
        await bucket.acquire()
        return True

    async def call(self, key: str) -> bool:
        """Whether this key may call now."""
        return await self._take(f"calls {key}", self._calls)

    async def failed(self, kind: Kind, network: str) -> bool:
        """Count a wrong guess from this network; whether it was within the limit."""
        return await self._take(f"{kind} {network}", self._failures)

    @contextlib.contextmanager
    def stream(self, key: str) -> Iterator[bool]:
        """Whether this key may open one more stream; it counts until the end of the block."""
        if self._streams and self._open[key] >= self._streams:
            yield False
            return
        self._open[key] += 1
        try:
            yield True
        finally:
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]

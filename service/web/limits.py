"""Rate limits: how often a key may call, and how often an address may guess wrong."""

import time
from collections import OrderedDict
from typing import Final

from aiolimiter import AsyncLimiter

KEPT: Final = 10_000


class Limits:
    """Leaky buckets by name, the least used forgotten first. Rates are per minute; 0 is no limit."""

    def __init__(self, calls_per_minute: int, failures_per_minute: int) -> None:
        self._calls = calls_per_minute
        self._failures = failures_per_minute
        self._buckets: OrderedDict[str, AsyncLimiter] = OrderedDict()
        self._blocked: dict[str, float] = {}

    def _bucket(self, name: str, rate: int) -> AsyncLimiter:
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = AsyncLimiter(rate, 60)
            if len(self._buckets) > KEPT:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(name)
        return bucket

    async def call(self, key: str) -> bool:
        """Whether this key may call now."""
        if not self._calls:
            return True
        bucket = self._bucket(f"key {key}", self._calls)
        if not bucket.has_capacity():
            return False
        await bucket.acquire()
        return True

    def is_blocked(self, address: str) -> bool:
        """Whether this address has guessed wrong too often lately."""
        return self._blocked.get(address, 0.0) > time.monotonic()

    async def failed(self, address: str) -> None:
        """A wrong key or token came from this address."""
        if not self._failures:
            return
        bucket = self._bucket(f"failures {address}", self._failures)
        if bucket.has_capacity():
            await bucket.acquire()
            return
        if len(self._blocked) > KEPT:
            self._blocked.clear()
        self._blocked[address] = time.monotonic() + 60

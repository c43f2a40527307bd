"""Counts that are slow are made once for all callers, and cached: a minute, or longer where they take many seconds.

Fast counts, as in a small service, are always made anew.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Final, TypeVar

from aiohttp import web

T = TypeVar("T")
KEPT_S: Final = 60.0
# At most a hundredth of the time is spent on one count, however large the database; and none is older than that.
SHARE: Final = 100
LONGEST_S: Final = 900.0
# A faster count is not worth a stale answer.
FAST_S: Final = 0.25
MOST: Final = 64


class Counted:
    """A cache of counts, by what was asked."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._kept: dict[Hashable, tuple[float, Any]] = {}
        self._counting: dict[Hashable, asyncio.Lock] = {}

    async def get(self, asked: Hashable, count: Callable[[], Awaitable[T]]) -> T:
        """The count that is kept, else what `count` returns; concurrent callers wait for the same count."""
        if self._is_kept(asked):
            return self._kept[asked][1]  # type: ignore[no-any-return]
        async with self._counting.setdefault(asked, asyncio.Lock()):
            if self._is_kept(asked):
                return self._kept[asked][1]  # type: ignore[no-any-return]
            began = self._now()
            try:
                found = await count()
            finally:
                self._counting.pop(asked, None)
            if (took := self._now() - began) >= FAST_S:
                self._keep(asked, found, min(max(KEPT_S, SHARE * took), LONGEST_S))
            return found

    def _is_kept(self, asked: Hashable) -> bool:
        return asked in self._kept and self._kept[asked][0] > self._now()

    def _keep(self, asked: Hashable, found: object, seconds: float) -> None:
        self._kept.pop(asked, None)
        self._kept[asked] = (self._now() + seconds, found)
        while len(self._kept) > MOST:
            self._kept.pop(next(iter(self._kept)))


COUNTED: Final = web.AppKey("counted", Counted)

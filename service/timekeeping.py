"""Time sources, passed in where time is needed: the database's, a faster one for the demo, a manual one for tests."""

import asyncio
import contextlib
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class TimeSource(Protocol):
    """Tells the time (UTC) and waits for it."""

    def now(self) -> datetime:
        """The present moment, UTC."""
        ...

    async def wait(self, event: asyncio.Event, until: datetime | None) -> None:
        """Return when `event` is set or `until` is reached."""
        ...


class SteadyTime:
    """Wall time at `origin`, then monotonic: jumps of the system clock have no effect.

    `speed` makes it run faster (the demo); `align` sets it to the database's clock.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._origin = datetime.now(UTC)
        self._started = time.monotonic()

    def now(self) -> datetime:
        """The present moment, UTC."""
        return self._origin + timedelta(seconds=(time.monotonic() - self._started) * self._speed)

    def align(self, reading: datetime) -> None:
        """Continue from a better clock's reading."""
        if self._speed == 1.0:
            self._origin, self._started = reading, time.monotonic()

    async def wait(self, event: asyncio.Event, until: datetime | None) -> None:
        """Return when `event` is set or `until` is reached."""
        seconds = None if until is None else max(0.0, (until - self.now()).total_seconds() / self._speed)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()


class ManualTime:
    """Stands still until it is moved: for tests and simulations."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._moved = asyncio.Event()

    def now(self) -> datetime:
        """The moment it was last moved to."""
        return self._now

    def move_to(self, moment: datetime) -> None:
        """Jump, and wake all waiting tasks."""
        self._now = moment
        self._moved.set()
        self._moved = asyncio.Event()

    def advance(self, **delta: float) -> None:
        """Jump ahead by a timedelta's arguments."""
        self.move_to(self._now + timedelta(**delta))

    async def wait(self, event: asyncio.Event, until: datetime | None) -> None:
        """Return when `event` is set or the time was moved to `until`."""
        while not event.is_set() and (until is None or self._now < until):
            waits = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(self._moved.wait())]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for waiting in waits:
                    waiting.cancel()

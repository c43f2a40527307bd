"""Measures time in an event loop, without delays by a busy machine."""

import asyncio
from typing import Final, Self

TICK_S: Final = 0.01


class Ticks:
    """`async with Ticks() as t`: `t.seconds` counts only time in which the loop was running.

    A loop that is not scheduled for a while ticks once for all of it, so that waiting for a limit passes at any load,
    and waiting for twice the limit fails as soon as the machine has time.
    """

    def __init__(self) -> None:
        self._count = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def seconds(self) -> float:
        """At most the seconds of the clock."""
        return self._count * TICK_S

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self._task:
            self._task.cancel()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._count += 1

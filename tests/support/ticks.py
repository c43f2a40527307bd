"""How long something took in an event loop, without what a busy machine keeps from the loop."""

import asyncio
from typing import Final, Self

TICK_S: Final = 0.01


class Ticks:
    """`async with Ticks() as t`: `t.seconds` are those in which the loop had its turns.

    A loop that is not run for a while, as others have the cores, ticks once for all of it: what waits for the time that
    it was given passes at any load, and what waits twice as long does not, as soon as the machine has time for it.
    """

    def __init__(self) -> None:
        self._count = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def seconds(self) -> float:
        """At most those of the clock."""
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

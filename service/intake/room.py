"""How many events to take at once: intake waits a moment for free send places, as messages then need no claim.

A moment only, and less and less often to any use: a channel that is slow, or hangs, must not hold up the others.
"""

import asyncio
from typing import Final

from service.intake.line import MOST_EVENTS
from service.intake.sooner import Sooner

WAIT_S: Final = 0.1
# What is taken where the wait was in vain; twice as many each time, until there is room again.
FEWEST: Final = 25


class Room:
    """Asked before each transaction of one intake loop."""

    def __init__(self, sooner: Sooner) -> None:
        self._sooner = sooner
        self._in_vain = 0

    async def wait(self, events: int) -> int:
        """For how many of these there is room, now or in a moment; or how many go on without."""
        freed = self._sooner.freed
        try:
            async with asyncio.timeout(WAIT_S):
                while (room := self._sooner.room(events)) == 0:
                    freed.clear()
                    await freed.wait()
        except TimeoutError:
            self._in_vain = min(self._in_vain + 1, 10)
            return min(MOST_EVENTS, FEWEST << (self._in_vain - 1))
        self._in_vain = 0
        return MOST_EVENTS if room is None else min(MOST_EVENTS, room)

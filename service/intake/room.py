"""How many events to take at once: intake waits a moment for free send places, as messages then need no claim.

A moment only, and less and less often to any use: a channel that is slow, or hangs, must not hold up the others. While
many sends end it is rather this process that is busy: messages of more events would have to be claimed, which makes it
slower still.
"""

import asyncio
import time
from typing import Final

from service.intake.line import MOST_EVENTS
from service.intake.sooner import Sooner

WAIT_S: Final = 0.1
# If so many sends end meanwhile it waits again, but for no longer than this in all.
FLOWING: Final = 20
LONGEST_S: Final = 1.0
# What is taken where the wait was in vain; twice as many each time, until there is room again.
FEWEST: Final = 25


class Room:
    """Asked before each transaction of one intake loop."""

    def __init__(self, sooner: Sooner) -> None:
        self._sooner = sooner
        self._in_vain = 0

    async def wait(self, events: int) -> int:
        """For how many of these there is room, now or in a moment; or how many go on without."""
        until = time.monotonic() + LONGEST_S / (1 << self._in_vain)
        ended = self._sooner.ended
        while not await self._is_free(events):
            before, ended = ended, self._sooner.ended
            if ended - before < FLOWING or time.monotonic() >= until:
                self._in_vain = min(self._in_vain + 1, 10)
                return min(MOST_EVENTS, FEWEST << (self._in_vain - 1))
        self._in_vain = 0
        room = self._sooner.room(events)
        return MOST_EVENTS if room is None else min(MOST_EVENTS, room)

    async def _is_free(self, events: int) -> bool:
        """Whether there is room within a moment."""
        freed = self._sooner.freed
        try:
            async with asyncio.timeout(WAIT_S):
                while self._sooner.room(events) == 0:
                    freed.clear()
                    await freed.wait()
        except TimeoutError:
            return False
        return True

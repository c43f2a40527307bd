"""Waiting longer after each failure in a row."""

import asyncio
from typing import Final

FIRST_S: Final = 0.2
# What is away is asked for about once a second: whoever waits for it notices its return, and it notices nothing of us.
LONGEST_S: Final = 1.0


class Backoff:
    """Pauses that double from `first_s` to `longest_s` (seconds); `reset` after something went well."""

    def __init__(self, first_s: float = FIRST_S, longest_s: float = LONGEST_S) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self.pause_s = first_s

    async def wait(self) -> None:
        """Sleep for the pause of this failure."""
        pause_s, self.pause_s = self.pause_s, min(self.pause_s * 2, self._longest_s)
        await asyncio.sleep(pause_s)

    def reset(self) -> None:
        """The next failure is the first again."""
        self.pause_s = self._first_s

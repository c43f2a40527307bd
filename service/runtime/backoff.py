"""Waiting longer after each failure in a row."""

import asyncio
from typing import Final

FIRST_S: Final = 0.2
# An unavailable service is tried about once a second: often enough to notice its return, and no load for it.
LONGEST_S: Final = 1.0


class Backoff:
    """Pauses that double from `first_s` to `longest_s` (seconds); `reset` after something went well."""

    def __init__(self, first_s: float = FIRST_S, longest_s: float = LONGEST_S) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self.pause_s = first_s

    async def wait(self) -> None:
        """Sleep after a failure."""
        pause_s, self.pause_s = self.pause_s, min(self.pause_s * 2, self._longest_s)
        await asyncio.sleep(pause_s)

    def reset(self) -> None:
        """Start again from the first pause."""
        self.pause_s = self._first_s

"""The concurrency limit of one channel: how many of its messages may be in flight, shared between codes and others."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct

CLAIM_AT_ONCE: Final = 100
# A process that dies leaves its sends unanswered: a new process begins with few, and adds one with each answer.
FIRST_AT_ONCE: Final = 4
# With fewer places than this a transaction for no more than they take costs more than the claims that it spares.
WIDE: Final = 25
# One in this many places is reserved for codes.
CODES_SHARE: Final = 10


class SendQueue(Struct):
    """One of the two queues of a channel: of codes, or of everything else.

    `claiming`: places taken while it claims; `held`: by transactions whose messages come the straight way. `is_clear`:
    when it last looked nothing was left to be claimed.
    """

    codes: bool
    wake: asyncio.Event
    looked_at: datetime
    is_full: bool = False
    claiming: int = 0
    held: int = 0
    is_clear: bool = False

    @property
    def may_hide_some(self) -> bool:
        """Whether there may be waiting messages in it."""
        return not self.is_clear or self.claiming > 0 or self.wake.is_set()


class SendSlots:
    """Places taken by sends, by claims and by transactions; lines that found none are woken when some are free.

    `sending`: how many sends are on their way; `ended`: how many have ended.
    """

    def __init__(self, most: int, lines: Sequence[SendQueue]) -> None:
        """`most`: the final number of places."""
        self.lines = lines
        self.sending = self.ended = 0
        self._most = most
        self._at_once = min(FIRST_AT_ONCE, most)
        self._freed: asyncio.Event | None = None

    def tell(self, freed: asyncio.Event) -> None:
        """Also set this event whenever places become free."""
        self._freed = freed

    def line(self, *, codes: bool) -> SendQueue:
        """One of the two."""
        return next(line for line in self.lines if line.codes == codes)

    @property
    def is_anybody_claiming(self) -> bool:
        """Whether places are taken by a claim that goes on."""
        return any(line.claiming for line in self.lines)

    @property
    def held(self) -> int:
        """How many are held for messages that come the straight way."""
        return sum(line.held for line in self.lines)

    def left(self, line: SendQueue) -> int:
        """How many more may be sent now; a few places are always reserved for codes."""
        for_codes = -(-self._most // CODES_SHARE) if self._most > 1 else 0
        taken = self.sending + self.held + sum(other.claiming for other in self.lines)
        if line.codes:
            return min(max(1, for_codes), min(self._at_once + for_codes, self._most) - taken)
        return min(CLAIM_AT_ONCE, min(self._at_once, self._most - for_codes) - taken)

    @property
    def is_wide(self) -> bool:
        """Whether so many may be on their way at once that intake had better take no more than that."""
        return self._at_once >= WIDE

    def is_half(self, places: int) -> bool:
        """Whether these are half of what may be on its way by now."""
        return 2 * places >= self._at_once

    def took(self) -> None:
        """A send has begun."""
        self.sending += 1

    def came_free(self) -> None:
        """A send has ended: with each, one more may be on its way."""
        self.sending -= 1
        self.ended += 1
        self._at_once = min(self._at_once + 1, self._most)
        self.wake_full()

    def hold(self, line: SendQueue) -> None:
        """Take a place for a message that comes the straight way."""
        line.held += 1

    def let_go(self, line: SendQueue) -> None:
        """Give it back."""
        line.held -= 1
        self.wake_full()

    def wake_full(self) -> None:
        """Places came free."""
        for line in self.lines:
            if line.is_full:
                line.wake.set()
        if self._freed:
            self._freed.set()

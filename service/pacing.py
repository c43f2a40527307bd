"""Cooperative scheduling: long work yields in slices, so that urgent work, such as one-time codes, stays fast.

One event loop runs everything, and each turn of it lasts as long as all that is ready. A code's way takes some eighty
turns (two for each round trip to the database, HTTP), so what counts is how long a turn lasts, not how much waits.
Tasks that called `give_way` do their work in slices, of which each turn of the loop runs one; the others run as they
come. The work is the same and so is the throughput: where only one is busy, or none, nobody waits. While something
urgent is under way there is a pause after each slice, as what it waits for (database, broker, provider) often wants the
same cores.

asyncio runs in a turn what was ready when it began (Python, asyncio `BaseEventLoop._run_once`); uvloop does the same.
"""

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter
from typing import Final, TypeVar
from weakref import WeakKeyDictionary

# The length of a slice: about one event with three messages, or one send.
SLICE_S: Final = 0.001
# The pause during urgent work, which leaves three quarters of the time to that.
PAUSE_S: Final = 0.003
# The longest time for which urgent work slows others down, as a provider may be slow.
URGENT_AT_MOST_S: Final = 0.25
# So soon a thread hands the interpreter over that works beside the loop (Python, `sys.setswitchinterval`).
SWITCH_S: Final = 0.0005


class _Turns:
    """The turns of one event loop, given in first-come order."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._line: deque[asyncio.Future[None]] = deque()
        self._is_given = False
        self.urgent = 0

    async def one(self) -> None:
        """Wait for a turn."""
        if not self._is_given:
            self._give()
            return
        mine = self._loop.create_future()
        self._line.append(mine)
        await mine

    def _give(self) -> None:
        self._is_given = True
        if self.urgent:
            self._loop.call_later(PAUSE_S, self._next)
        else:
            self._loop.call_soon(self._next)

    def _next(self) -> None:
        while self._line:
            first = self._line.popleft()
            if not first.done():
                first.set_result(None)
                self._give()
                return
        self._is_given = False


class _Slices:
    """The time that a task has used in its slice, and the turns it waits for; none for a task that never yields."""

    def __init__(self, turns: _Turns | None) -> None:
        self.turns = turns
        self.began = 0.0

    @property
    def is_over(self) -> bool:
        return perf_counter() - self.began >= SLICE_S

    async def next(self) -> None:
        await (self.turns.one() if self.turns else asyncio.sleep(0))
        self.began = perf_counter()


T = TypeVar("T")
_turns: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, _Turns]] = WeakKeyDictionary()
_slices: Final[ContextVar[_Slices | None]] = ContextVar("slices", default=None)


def _turns_here() -> _Turns:
    loop = asyncio.get_running_loop()
    if (found := _turns.get(loop)) is None:
        found = _turns[loop] = _Turns(loop)
    return found


def give_way() -> None:
    """Make the current task yield: it works in slices from here on, one per turn."""
    _slices.set(_Slices(_turns_here()))


def stay_prompt() -> None:
    """Let the current task wait for no turns; other ready tasks still run between its slices."""
    _slices.set(_Slices(None))


@contextmanager
def urgent() -> Iterator[None]:
    """While this lasts (at most `URGENT_AT_MOST_S`), yielding tasks pause after each slice."""
    turns = _turns_here()
    turns.urgent += 1
    counts = [True]

    def over() -> None:
        if counts:
            counts.clear()
            turns.urgent -= 1

    bound = asyncio.get_running_loop().call_later(URGENT_AT_MOST_S, over)
    try:
        yield
    finally:
        bound.cancel()
        over()


class _Aside:
    """The number of work items in threads, and the interpreter's switch interval before them."""

    def __init__(self) -> None:
        self.count = 0
        self.usual_s = 0.0

    def __enter__(self) -> None:
        if not self.count:
            self.usual_s = sys.getswitchinterval()
            sys.setswitchinterval(SWITCH_S)
        self.count += 1

    def __exit__(self, *_error: object) -> None:
        self.count -= 1
        if not self.count:
            sys.setswitchinterval(self.usual_s)


_beside: Final = _Aside()


async def aside(work: Callable[[], T]) -> T:
    """Run long work that cannot be sliced in a thread, while the event loop goes on.

    In a thread, which hands the interpreter over every half a millisecond to whoever else is ready.
    """
    with _beside:
        return await asyncio.to_thread(work)


async def breathe() -> None:
    """Call often in long work: other tasks run when this slice is over. Does nothing in a task that does not yield."""
    if (mine := _slices.get()) is not None and mine.is_over:
        await mine.next()

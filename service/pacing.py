"""Whoever can wait gives way: a busy process stays quick for what cannot, such as a one-time code.

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

# About one event with three messages, or one send.
SLICE_S: Final = 0.001
# Three quarters of the time, then, are left to what is urgent, and the rest goes on.
PAUSE_S: Final = 0.003
# Longer than that nobody is kept back by one thing that is urgent: a provider may take its time.
URGENT_AT_MOST_S: Final = 0.25
# So soon a thread hands the interpreter over that works beside the loop (Python, `sys.setswitchinterval`).
SWITCH_S: Final = 0.0005


class _Turns:
    """The turns of one event loop, each given to the first in line."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._line: deque[asyncio.Future[None]] = deque()
        self._is_given = False
        self.urgent = 0

    async def one(self) -> None:
        """Wait until it is this task's turn."""
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
    """How long a task has been at work, and whose turns it takes; of a task that gives way to nobody none."""

    def __init__(self, turns: _Turns | None) -> None:
        self.turns = turns
        self.began = 0.0

    async def breathe(self) -> None:
        if perf_counter() - self.began < SLICE_S:
            return
        await (self.turns.one() if self.turns else asyncio.sleep(0))
        self.began = perf_counter()


T = TypeVar("T")
_turns: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, _Turns]] = WeakKeyDictionary()
_slices: Final[ContextVar[_Slices | None]] = ContextVar("slices", default=None)


def _turns_here() -> _Turns:
    loop = asyncio.get_running_loop()
    return _turns.setdefault(loop, _Turns(loop))


def give_way() -> None:
    """From here on this task works in slices, as its turn comes."""
    _slices.set(_Slices(_turns_here()))


def stay_prompt() -> None:
    """From here on this task waits for nobody's turn; only what else is ready runs between its slices."""
    _slices.set(_Slices(None))


@contextmanager
def urgent() -> Iterator[None]:
    """Who gives way pauses after each slice for as long as this lasts, and not longer than `URGENT_AT_MOST_S`."""
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
    """How many stretches of work are under way beside their loops, and how threads took turns before."""

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
    """Do a long stretch of work, which cannot be cut into slices, beside the loop, which goes on meanwhile.

    In a thread, which hands the interpreter over every half a millisecond to whoever else is ready.
    """
    with _beside:
        return await asyncio.to_thread(work)


async def breathe() -> None:
    """To be called often in long work: others run when this slice is over. Nothing in a task that never said so."""
    if (mine := _slices.get()) is not None:
        await mine.breathe()

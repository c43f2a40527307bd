"""Numbers that take long are counted once for all who look."""

import asyncio

import pytest

from service.web.counted import FAST_S, KEPT_S, LONGEST_S, MOST, SHARE, Counted


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.s = 0.0

    def now(self) -> float:
        return self.s


class Count:
    """Something that takes so long, and says how often it was counted."""

    def __init__(self, clock: Clock, takes: float) -> None:
        self.clock, self.takes, self.times = clock, takes, 0

    async def __call__(self) -> int:
        await asyncio.sleep(0)
        self.clock.s += self.takes
        self.times += 1
        return self.times


async def test_what_takes_long_is_counted_once_a_minute_and_what_does_not_each_time() -> None:
    clock = Clock()
    counted, slow, fast = Counted(clock.now), Count(clock, FAST_S), Count(clock, FAST_S / 2)
    assert await asyncio.gather(*(counted.get("slow", slow) for _ in range(5))) == [1] * 5
    assert [await counted.get("fast", fast) for _ in range(3)] == [1, 2, 3]
    clock.s += KEPT_S - FAST_S / 2 * 3 - 0.01
    assert await counted.get("slow", slow) == 1
    clock.s += 0.02
    assert await counted.get("slow", slow) == 2


async def test_what_takes_very_long_is_kept_longer_but_not_for_ever() -> None:
    clock = Clock()
    counted, longer, longest = Counted(clock.now), Count(clock, 2.0), Count(clock, 60.0)
    assert await counted.get("longer", longer) == 1
    clock.s += SHARE * 2.0 - 0.01
    assert await counted.get("longer", longer) == 1
    clock.s += 0.02
    assert await counted.get("longer", longer) == 2
    assert await counted.get("longest", longest) == 1
    clock.s += LONGEST_S + 0.01
    assert await counted.get("longest", longest) == 2


async def test_a_count_that_fails_is_counted_again_and_only_so_many_are_kept() -> None:
    clock = Clock()
    counted, slow = Counted(clock.now), Count(clock, FAST_S)

    async def fail() -> int:
        raise ValueError

    with pytest.raises(ValueError):
        await counted.get("a", fail)
    assert await counted.get("a", slow) == 1
    clock.s = -1e6
    for n in range(MOST):
        await counted.get(n, slow)
    assert await counted.get("a", slow) == MOST + 2

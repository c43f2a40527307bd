"""Work that gives way: one slice of it in each turn of the loop, and everybody's turn comes."""

import asyncio
import sys
import time
from collections import Counter

import pytest

from service import pacing
from service.pacing import SLICE_S, SWITCH_S, _turns_here, aside, breathe, give_way, stay_prompt, urgent


async def _work(done: Counter[str], name: str, pieces: int) -> None:
    give_way()
    for _ in range(pieces):
        await breathe()
        began = time.perf_counter()
        while time.perf_counter() - began < SLICE_S:
            pass
        done[name] += 1


async def test_a_turn_of_the_loop_holds_one_slice_however_many_work() -> None:
    done: Counter[str] = Counter()
    tasks = [asyncio.create_task(_work(done, str(n), 5)) for n in range(10)]
    turns = Counter[int]()
    while not all(task.done() for task in tasks):
        before = done.total()
        await asyncio.sleep(0)
        turns[done.total() - before] += 1
    assert set(turns) <= {0, 1}
    assert turns[0] <= 15, "no turn is left unused while somebody waits"
    assert done == {str(n): 5 for n in range(10)}


async def test_the_turn_of_somebody_who_was_cancelled_goes_to_the_next() -> None:
    done: Counter[str] = Counter()
    first, second, third = (asyncio.create_task(_work(done, name, 2)) for name in ("first", "second", "third"))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(first, second, third, return_exceptions=True)
    assert done == {"first": 2, "third": 2}


async def test_who_never_said_so_is_not_held_up() -> None:
    async def prompt() -> int:
        turn = 0
        for _ in range(3):
            await breathe()
            turn += 1
        return turn

    done: Counter[str] = Counter()
    waiting = [asyncio.create_task(_work(done, str(n), 1)) for n in range(5)]
    task = asyncio.create_task(prompt())
    await asyncio.sleep(0)
    assert task.done()
    await asyncio.gather(*waiting)


async def test_what_gives_way_goes_on_beside_something_urgent() -> None:
    done: Counter[str] = Counter()
    with urgent():
        async with asyncio.timeout(5):
            await asyncio.gather(*(_work(done, str(n), 2) for n in range(5)))
    assert done.total() == 10


async def test_prompt_work_lets_others_run_between_its_slices() -> None:
    order: list[str] = []

    async def prompt() -> None:
        stay_prompt()
        for _ in range(3):
            await breathe()
            time.sleep(1.5 * SLICE_S)
            order.append("prompt")

    async def other() -> None:
        order.append("other")

    await asyncio.gather(prompt(), other())
    assert order == ["other", "prompt", "prompt", "prompt"]


async def test_nothing_is_urgent_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider that hangs on a code does not slow down everything else for as long."""
    monkeypatch.setattr(pacing, "URGENT_AT_MOST_S", 0.01)
    with urgent():
        assert _turns_here().urgent == 1
        await asyncio.sleep(0.03)
        assert _turns_here().urgent == 0
    assert _turns_here().urgent == 0


async def test_the_loop_goes_on_beside_a_long_stretch() -> None:
    usual = sys.getswitchinterval()
    turns = 0

    def stretch() -> float:
        until = time.thread_time() + 0.2
        while time.thread_time() < until:
            pass
        return sys.getswitchinterval()

    work = asyncio.create_task(aside(stretch))
    while not work.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert turns > 5
    assert await work == pytest.approx(SWITCH_S)
    assert sys.getswitchinterval() == usual

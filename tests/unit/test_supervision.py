"""The tasks of a process end with it, even where a library loses a cancellation."""

import asyncio

from structlog.testing import capture_logs

from service.runtime.supervision import Supervisor


async def test_a_task_whose_cancellation_is_lost_is_cancelled_again() -> None:
    cancelled = 0

    async def forgetful() -> None:
        nonlocal cancelled
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                cancelled += 1
                if cancelled > 1:
                    raise

    supervisor = Supervisor()
    supervisor.background("forgetful", forgetful())
    await asyncio.sleep(0)
    with capture_logs() as logged:
        await supervisor.close_parts()
    assert (cancelled, logged) == (2, [])


async def test_a_task_that_cannot_be_cancelled_holds_up_no_other() -> None:
    ended: list[str] = []
    hold = asyncio.Event()

    async def stubborn() -> None:
        while not hold.is_set():
            try:
                await hold.wait()
            except asyncio.CancelledError:
                continue

    async def close() -> None:
        ended.append("part")

    supervisor = Supervisor()
    supervisor.closers.append(close)
    supervisor.background("stubborn", stubborn())
    await asyncio.sleep(0)
    with capture_logs() as logged:
        await supervisor.close_parts()
    assert ended == ["part"]
    assert logged == [{"event": "shutdown.loops_cancelled", "log_level": "warning", "loops": ["stubborn"]}]
    hold.set()


async def test_what_a_task_ended_with_keeps_nothing_from_being_closed() -> None:
    async def failing() -> None:
        raise RuntimeError("ended before")

    supervisor = Supervisor()
    supervisor.background("failing", failing())
    await asyncio.sleep(0)
    await supervisor.close_parts()

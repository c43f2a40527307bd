"""Starts and ends the loops of a process together, and closes its parts in reverse order of creation."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Final

import structlog

log = structlog.get_logger(__name__)
CANCEL_WITHIN_S: Final = 3.0
# Closing the parts of a process has two seconds in all.
CANCEL_AGAIN_S: Final = 0.2
CANCEL_TIMES: Final = 5

Closer = Callable[[], Coroutine[Any, Any, None]]


class Supervisor:
    """Runs the essential loops (`<role>.<number>`) and background tasks of a process, and closes its parts."""

    def __init__(self) -> None:
        self.closers: list[Closer] = []
        self._loops: dict[str, asyncio.Task[None]] = {}

    def loop(self, role: str, coroutine: Coroutine[Any, Any, None]) -> None:
        """Start a loop of a role; the process ends with it."""
        name = f"{role}.{sum(n.startswith(role + '.') for n in self._loops)}"
        self._loops[name] = asyncio.create_task(coroutine, name=name)

    def background(self, name: str, coroutine: Coroutine[Any, Any, None]) -> None:
        """Start a task that is cancelled when the process is closed."""
        task = asyncio.create_task(coroutine, name=name)

        async def end() -> None:
            # A cancellation can be lost in a call that has its result already (CPython 3.11, `asyncio.wait_for`,
            # python/cpython#86296): the task would go on, and who waited for it would wait for ever.
            for _ in range(CANCEL_TIMES):
                task.cancel()
                if (await asyncio.wait([task], timeout=CANCEL_AGAIN_S))[0]:
                    await asyncio.gather(task, return_exceptions=True)
                    return
            log.warning("shutdown.loops_cancelled", loops=[name])

        self.closers.append(end)

    @property
    def is_over(self) -> bool:
        """Whether all loops have ended."""
        return all(task.done() for task in self._loops.values())

    def ended_roles(self) -> list[str]:
        """Roles of which a loop has ended."""
        return [name.partition(".")[0] for name, task in self._loops.items() if task.done()]

    async def until(self, stopping: asyncio.Event) -> None:
        """Wait until `stopping` is set, or a loop ends by itself; raises what ended it."""
        waiting = asyncio.create_task(stopping.wait())
        done, _ = await asyncio.wait([waiting, *self._loops.values()], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if waiting in done:
            return
        for task in done:
            if (error := task.exception()) is not None:
                log.error("loop.stopped", loop=task.get_name(), error=str(error))
                raise error

    async def end_loops(self, within_s: float) -> None:
        """Wait for the loops to end by themselves; after `within_s`, cancel those that still run."""
        if not self._loops:
            return
        _, running = await asyncio.wait(self._loops.values(), timeout=within_s)
        for task in running:
            task.cancel()
        if running:
            log.warning("shutdown.loops_cancelled", loops=[t.get_name() for t in running])
            await asyncio.wait(running, timeout=CANCEL_WITHIN_S)

    async def close_parts(self) -> None:
        """Close all parts, last opened first; a failure does not keep others from being closed."""
        for closer in reversed(self.closers):
            with contextlib.suppress(Exception):
                await closer()


async def closed_within(part: str, closing: Coroutine[Any, Any, None], within_s: float) -> None:
    """Close a part, with a time limit; the system closes the connections of one that hangs."""
    try:
        async with asyncio.timeout(within_s):
            await closing
    except TimeoutError:
        log.warning("shutdown.part_timed_out", part=part)

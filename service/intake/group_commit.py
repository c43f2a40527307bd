"""Group commit: events posted while another commit runs are committed together, with one wait for the disk.

For SQLite, which has one writer at a time. PostgreSQL does the same by itself for writers that come together (its
manual, 20.5.1, `commit_delay`).
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from service.intake.decoding import Incoming
from service.intake.intake import Intake
from service.intake.verdicts import Verdict

AT_ONCE: Final = 100


class GroupCommit:
    """Takes as `Intake.take` does, for many callers at once."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._waiting: list[tuple[Sequence[Incoming], asyncio.Future[list[Verdict]]]] = []
        self._committing: asyncio.Task[None] | None = None

    async def take(self, messages: Sequence[Incoming], *, dead_letter: bool) -> list[Verdict]:
        """As `Intake.take`; an outage fails all callers of the group."""
        if dead_letter:
            return await self._intake.take(messages, dead_letter=True)
        verdicts: asyncio.Future[list[Verdict]] = asyncio.get_running_loop().create_future()
        self._waiting.append((messages, verdicts))
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit_all())
        return await verdicts

    async def _commit_all(self) -> None:
        try:
            while self._waiting:
                await self._commit(self._group())
        finally:
            self._committing = None

    def _group(self) -> list[tuple[Sequence[Incoming], asyncio.Future[list[Verdict]]]]:
        group = [self._waiting.pop(0)]
        size = len(group[0][0])
        while self._waiting and size + len(self._waiting[0][0]) <= AT_ONCE:
            group.append(self._waiting.pop(0))
            size += len(group[-1][0])
        return group

    async def _commit(self, group: Sequence[tuple[Sequence[Incoming], asyncio.Future[list[Verdict]]]]) -> None:
        try:
            verdicts = await self._intake.take([m for messages, _ in group for m in messages], dead_letter=False)
        except BaseException as error:
            for _, theirs in group:
                if not theirs.done():
                    theirs.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())
            if not isinstance(error, Exception):
                raise
            return
        for messages, theirs in group:
            own, verdicts = verdicts[: len(messages)], verdicts[len(messages) :]
            if not theirs.done():  # whoever hung up meanwhile asks again
                theirs.set_result(own)

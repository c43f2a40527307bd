"""Writes the outcomes of sends: of all channels together, those of a moment in one transaction."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import structlog

from service.dispatch.settle import Outcome, Settler
from service.failpoints import failpoint
from service.ledger.database.faults import is_transient
from service.pacing import give_way
from service.runtime.backoff import Backoff

log = structlog.get_logger(__name__)
AT_ONCE: Final = 200
# Answers to the messages of one event come within milliseconds of each other; nobody waits for them to be written.
GATHER_S: Final = 0.025
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 1.0
LAST_CHANCE_S: Final = 5.0


class OutcomeWriter:
    """A queue of outcomes, and the loop that writes them."""

    def __init__(self, settler: Settler) -> None:
        self._settler = settler
        self._line: asyncio.Queue[Outcome] = asyncio.Queue()
        self._unwritten: set[UUID] = set()

    def put(self, outcome: Outcome) -> None:
        """Queue an outcome."""
        self._unwritten.add(outcome.message_id)
        self._line.put_nowait(outcome)

    def holds(self, message_id: UUID) -> bool:
        """Whether an outcome of this message is queued, so that nobody need look it up or send again."""
        return message_id in self._unwritten

    async def run(self) -> None:
        """Run until cancelled; call `finish` first, so that the queue is empty."""
        give_way()
        while True:
            outcomes = [await self._line.get()]
            if self._line.qsize() + 1 < AT_ONCE:
                await asyncio.sleep(GATHER_S)
            while len(outcomes) < AT_ONCE and not self._line.empty():
                outcomes.append(self._line.get_nowait())
            await self._write(outcomes)
            self._unwritten.difference_update(o.message_id for o in outcomes)
            for _ in outcomes:
                self._line.task_done()

    async def _write(self, outcomes: Sequence[Outcome]) -> None:
        """Write outcomes, waiting for the database. One that can never be written does not block others."""
        backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        while True:
            try:
                await self._settler.write(outcomes)
                failpoint("dispatch.after_settle")
                return
            except Exception as error:
                if is_transient(error):
                    await backoff.wait()
                    continue
                log.exception("settle.failed", size=len(outcomes))
                if len(outcomes) > 1:
                    for outcome in outcomes:
                        await self._write([outcome])
                # Its lease runs out, and `UnknownResolver` asks the provider what became of it.
                return

    async def finish(self) -> None:
        """Wait, with a time limit, until everything queued is written."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_CHANCE_S):
                await self._line.join()

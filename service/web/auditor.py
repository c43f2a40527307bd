"""Writes the audit lines of reads and refusals; those that wait at the same time go into one transaction."""

import asyncio
from typing import Final

from service.ledger.auditing.lines import AuditLine, write_audit
from service.ledger.database.engine import Ledger
from service.timekeeping import TimeSource

# Self-refreshing pages: one line per reader and page within this time.
# The same for repeated refusals, so that nobody can fill the log by asking.
RENEWED_S: Final = 600.0
KEPT: Final = 10_000
# Lines about unauthenticated callers within that time, in all: somebody with many addresses could still fill the log.
STRANGERS: Final = 100


class Auditor:
    """One per process. All waiting lines are appended to the chain at once, rather than one after the other."""

    def __init__(self, ledger: Ledger, time: TimeSource) -> None:
        self._ledger = ledger
        self._time = time
        self._waiting: list[tuple[list[AuditLine], asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._seen: dict[tuple[str, ...], float] = {}
        self._strangers, self._left_out, self._since = 0, 0, 0.0

    async def record(self, *lines: AuditLine) -> None:
        """Write these lines, and return once they are committed; raises what the database raises."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((list(lines), done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        await done

    async def record_seldom(self, line: AuditLine, *key: str) -> None:
        """As `record`, unless a line with this key was written lately."""
        if self.is_repeat(*key):
            return
        # Before the write, as more such requests come before the first line is committed.
        self.remember(*key)
        try:
            await self.record(line)
        except BaseException:
            self._seen.pop(key, None)
            raise

    def admits_stranger(self) -> int | None:
        """How many lines about unauthenticated callers were dropped before this one; None: it is dropped, too."""
        now = asyncio.get_running_loop().time()
        if now - self._since >= RENEWED_S:
            self._since, self._strangers = now, 0
        if self._strangers >= STRANGERS:
            self._left_out += 1
            return None
        self._strangers += 1
        before, self._left_out = self._left_out, 0
        return before

    def is_repeat(self, *key: str) -> bool:
        """Whether this reader's last line about this page is recent enough to stand for this read."""
        now = asyncio.get_running_loop().time()
        return now - self._seen.get(key, -RENEWED_S) < RENEWED_S

    def remember(self, *key: str) -> None:
        """Note that a line for this reader and page was written."""
        if len(self._seen) >= KEPT:
            self._seen.clear()
        self._seen[key] = asyncio.get_running_loop().time()

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            error: BaseException | None = None
            try:
                async with self._ledger.transaction() as tx:
                    lines = [line for group, _ in batch for line in group]
                    await write_audit(tx, lines, self._time.now())
            except BaseException as raised:
                error = raised
            for _, done in batch:
                if not done.done():
                    done.set_exception(error) if error else done.set_result(None)
            if error is not None and not isinstance(error, Exception):
                raise error

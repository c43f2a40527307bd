"""Writes the audit lines of looks and refusals: those that wait together in one transaction."""

import asyncio
from typing import Final

from service.ledger.auditing.lines import AuditLine, write_audit
from service.ledger.database.engine import Ledger
from service.timekeeping import TimeSource

# Of pages that renew themselves: one line for so long, while the same reader looks at the same thing.
# And of what is refused again and again, so that nobody fills the log by asking.
RENEWED_S: Final = 600.0
KEPT: Final = 10_000
# About callers whom nobody knows, in as long a time: whoever has many addresses would fill it none the less.
STRANGERS: Final = 100


class Auditor:
    """One a process. However many pages wait, the chain's end is taken once, so they do not queue for it one by one."""

    def __init__(self, ledger: Ledger, time: TimeSource) -> None:
        self._ledger = ledger
        self._time = time
        self._waiting: list[tuple[list[AuditLine], asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._seen: dict[tuple[str, ...], float] = {}
        self._strangers, self._left_out, self._since = 0, 0, 0.0

    async def record(self, *lines: AuditLine) -> None:
        """Return once these are committed; raises what the database raises."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((list(lines), done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        await done

    async def record_seldom(self, line: AuditLine, *key: str) -> None:
        """As `record`, unless a line with this key was kept a moment ago."""
        if self.is_repeat(*key):
            return
        # At once, as a flood asks again before the first line is committed.
        self.remember(*key)
        try:
            await self.record(line)
        except BaseException:
            self._seen.pop(key, None)
            raise

    def admits_stranger(self) -> int | None:
        """How many lines about strangers were left out before this one; None: it is left out, too."""
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
        """Whether this reader looked at this page a moment ago, so that their line stands for it."""
        now = asyncio.get_running_loop().time()
        return now - self._seen.get(key, -RENEWED_S) < RENEWED_S

    def remember(self, *key: str) -> None:
        """A line for this reader and page was kept."""
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

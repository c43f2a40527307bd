"""Takes over the claims of dead processes, which are detected by their sign of life; leases are the fallback."""

import asyncio
import time
from collections.abc import Collection, Sequence
from typing import Final

import structlog

from service.ledger.database.wakeups import UNKNOWN_TOPIC, announce, dispatch_topic
from service.ledger.messages import housekeeping, outbox
from service.orders import Orders
from service.runtime.loops import log_failure

log = structlog.get_logger(__name__)
# With the doubt, the look of whoever asks providers and the send itself, within 5 s of a process's end.
LOOK_EVERY_S: Final = 0.5


class Takeover:
    """Runs in every process: a surviving one takes over from each dead one."""

    def __init__(self, orders: Orders, channels: Collection[str]) -> None:
        self._orders = orders
        self._topics = {dispatch_topic(channel, codes=codes) for channel in channels for codes in (True, False)}
        self._silent_since: dict[int, float] = {}

    async def run(self) -> None:
        """Check repeatedly, until cancelled."""
        while True:
            try:
                await self.look()
            except Exception as error:
                self._silent_since.clear()
                log_failure("takeover", error)
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Check once, and take over from dead processes."""
        ledger = self._orders.ledger
        if ledger.life.owner is None:
            # Who shows no sign himself may be the one that is cut off: when he is back, everybody has time to be, too.
            self._silent_since.clear()
            return
        async with ledger.reading() as tx:
            silent = await ledger.life.silent(tx)
        now = time.monotonic()
        self._silent_since = {n: self._silent_since.get(n, now) for n in silent}
        gone = [n for n, since in self._silent_since.items() if now - since >= ledger.life.doubt_s]
        if gone:
            await self._take_over(gone)

    async def _take_over(self, gone: Sequence[int]) -> None:
        now, wakeups = self._orders.time.now(), self._orders.wakeups
        topics = {*self._topics, "relay", UNKNOWN_TOPIC}
        async with self._orders.ledger.transaction() as tx:
            ours = await self._orders.ledger.life.bury(tx, gone)
            sends = await housekeeping.take_over(tx, ours, now) if ours else 0
            leaving = await outbox.take_over(tx, ours) if ours else 0
            if sends or leaving:
                await announce(tx, topics, wakeups.origin)
        if sends or leaving:
            log.warning("takeover.done", processes=len(ours), messages=sends, outbox=leaving)
            wakeups.wake(topics)

"""Takes over the claims of dead processes, which are detected by their liveness locks; leases are the fallback."""

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
        self._without_lock_since: dict[int, float] = {}

    async def run(self) -> None:
        """Check repeatedly, until cancelled."""
        while True:
            try:
                await self.check_once()
            except Exception as error:
                self._without_lock_since.clear()
                log_failure("takeover", error)
            await asyncio.sleep(LOOK_EVERY_S)

    async def check_once(self) -> None:
        """Check once, and take over from dead processes."""
        ledger = self._orders.ledger
        if ledger.liveness.owner is None:
            # Without a lock, this process may be cut off itself; afterwards the others get time to reconnect, too.
            self._without_lock_since.clear()
            return
        async with ledger.reading() as tx:
            dead = await ledger.liveness.without_lock(tx)
        now = time.monotonic()
        self._without_lock_since = {n: self._without_lock_since.get(n, now) for n in dead}
        gone = [n for n, since in self._without_lock_since.items() if now - since >= ledger.liveness.doubt_s]
        if gone:
            await self._take_over(gone)

    async def _take_over(self, gone: Sequence[int]) -> None:
        now, wakeups = self._orders.time.now(), self._orders.wakeups
        topics = {*self._topics, "relay", UNKNOWN_TOPIC}
        async with self._orders.ledger.transaction() as tx:
            ours = await self._orders.ledger.liveness.remove(tx, gone)
            sends = await housekeeping.take_over(tx, ours, now) if ours else 0
            leaving = await outbox.take_over(tx, ours) if ours else 0
            if sends or leaving:
                await announce(tx, topics, wakeups.origin)
        if sends or leaving:
            log.warning("takeover.done", processes=len(ours), messages=sends, outbox=leaving)
            wakeups.wake(topics)

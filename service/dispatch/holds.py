"""Active holds, known to every dispatch process within a second; and the release of messages that no hold covers."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

from service.dispatch.budgets import Budgets
from service.domain.scopes import EVERYTHING
from service.ledger.database.transaction import Transaction
from service.ledger.database.wakeups import HOLDS_TOPIC, dispatch_topic
from service.ledger.messages import holds
from service.ledger.messages.holds import Hold
from service.orders import Orders
from service.runtime.loops import run_loop

log = structlog.get_logger(__name__)
EVERY: Final = timedelta(seconds=1)
SWEEP_EVERY: Final = timedelta(seconds=30)
LetGo = Callable[[Transaction], Awaitable[tuple[int, set[str]]]]


class HoldCache:
    """The active holds. A message that one covers is not sent, and waits as `held`."""

    def __init__(self, orders: Orders, budgets: Budgets | None = None) -> None:
        """`budgets`: once spent, they hold notices that are not mandatory."""
        self._orders = orders
        self._budgets = budgets
        self._wake = orders.wakeups.subscribe(HOLDS_TOPIC)
        self._active: list[Hold] = []
        self._some_wait = False
        self._sweep_at = orders.time.now()

    def on(self, channel: str, workflow: str, notice: str) -> Hold | None:
        """The hold that covers such a message, if there is one."""
        return next((h for h in self._active if h.covers(channel, workflow, notice)), None)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is held."""
        return not self._active

    async def refresh(self) -> None:
        """Load the active holds; required before the first send."""
        async with self._orders.ledger.reading() as tx:
            self._active = await holds.active(tx, scope=EVERYTHING)
            self._active += await self._budgets.active_holds(tx) if self._budgets else []
            self._some_wait = await holds.some_wait(tx)

    async def run(self, stopping: asyncio.Event) -> None:
        """Look again and again, and let go what nothing holds any more."""
        await run_loop("holds", partial(self._turn, stopping), stopping)

    async def _turn(self, stopping: asyncio.Event) -> None:
        self._wake.clear()
        before = self._active
        await self.refresh()
        now = self._orders.time.now()
        if self._some_wait:
            await self._let_go_all(stopping, now, anew=before != self._active)
        await self._orders.time.wait(self._wake, now + EVERY)

    async def _let_go_all(self, stopping: asyncio.Event, now: datetime, *, anew: bool) -> None:
        if anew or now >= self._sweep_at:
            # Another process may have held something back that was released a moment before.
            self._sweep_at = now + SWEEP_EVERY
            await self._let_go(stopping, lambda tx: holds.let_go_released(tx, self._active, now))
        await self._let_go(stopping, lambda tx: holds.let_go_expired(tx, now))

    async def _let_go(self, stopping: asyncio.Event, some: LetGo) -> None:
        while not stopping.is_set():
            async with self._orders.ledger.transaction() as tx:
                count, channels = await some(tx)
            if count:
                log.info("messages.released", count=count)
                self._orders.wakeups.wake(dispatch_topic(c, codes=codes) for c in channels for codes in (True, False))
            if count < holds.RELEASED_AT_ONCE:
                return

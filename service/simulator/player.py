"""Plays events against a running service at a given speed, without outrunning it.

The player controls the time: it advances only when everything that was due has been done, so that a fast demo has
the same results as a slow one.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from service.broker.memory import MemoryBroker
from service.broker.port import INTAKE
from service.ledger.orders.totals import is_idle, next_moment
from service.orders import Orders
from service.simulator.simulator import Played
from service.timekeeping import ManualTime

FRAME_S: Final = 0.2
LOOK_S: Final = 0.01
IDLE_PATIENCE_S: Final = 30.0


class Player:
    """Publishes events at their times; `speed`: how many times faster than real time."""

    def __init__(self, orders: Orders, broker: MemoryBroker, clock: ManualTime, speed: float) -> None:
        self._orders = orders
        self._broker = broker
        self._clock = clock
        self._speed = speed

    async def play(self, played: Sequence[Played], stopping: asyncio.Event) -> None:
        """Until all is played and done, or `stopping`."""
        for p in played:
            await self._move_to(p.at, stopping)
            if stopping.is_set():
                return
            await self._broker.publish([p.message])
            await self.idle()

    async def _move_to(self, moment: datetime, stopping: asyncio.Event) -> None:
        """Advance the time to `moment`, stopping at everything that is due on the way."""
        while self._clock.now() < moment and not stopping.is_set():
            step = min(moment, self._clock.now() + timedelta(seconds=FRAME_S * self._speed))
            due = await self._next_due()
            if due is not None and self._clock.now() < due < step:
                step = due
            await asyncio.sleep((step - self._clock.now()).total_seconds() / self._speed)
            self._clock.move_to(step)
            await self.idle()

    async def _next_due(self) -> datetime | None:
        async with self._orders.ledger.reading() as tx:
            return await next_moment(tx, self._clock.now())

    async def idle(self) -> None:
        """Return when nothing is left to do at this time, or after a time limit."""
        async with asyncio.timeout(IDLE_PATIENCE_S):
            while not await self._is_idle():  # noqa: ASYNC110 - a database sets no event
                await asyncio.sleep(LOOK_S)

    async def _is_idle(self) -> bool:
        if self._broker.unsettled(INTAKE):
            return False
        async with self._orders.ledger.reading() as tx:
            return await is_idle(tx, self._clock.now())

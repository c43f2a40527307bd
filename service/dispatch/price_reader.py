"""Reads the actual prices of messages from providers, a day later, when they are known."""

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Final
from uuid import UUID

import structlog

from service.channels.port import Provider, ReportsPrices
from service.ledger.messages import costs
from service.orders import Orders
from service.runtime.loops import run_loop

log = structlog.get_logger(__name__)
EVERY: Final = timedelta(hours=1)
# "Up to 24 hours in rare cases" (Twilio support, "Understanding SMS Message Fees").
KNOWN_AFTER: Final = timedelta(hours=25)
# Once a day, and first of all, it looks so far back: for what an outage, theirs or ours, kept from being told.
MISSED_EVERY: Final = timedelta(days=1)
MISSED_WITHIN: Final = timedelta(days=7)
# A message leaves some time after it was planned.
SENT_WITHIN: Final = timedelta(hours=24)


class PriceReader:
    """Any number of processes may have one: whoever comes second finds nothing left to ask for."""

    def __init__(self, orders: Orders, providers: Iterable[Provider]) -> None:
        # One account may serve several channels.
        self._providers = {p.name: p for p in providers if isinstance(p, ReportsPrices)}
        self._orders = orders
        self._looks_back_at = orders.time.now()

    @property
    def has_anybody(self) -> bool:
        """Whether there is a provider to ask."""
        return bool(self._providers)

    async def run(self, stopping: asyncio.Event) -> None:
        """Look once an hour until `stopping`."""
        await run_loop("prices", partial(self._turn, stopping), stopping)

    async def _turn(self, stopping: asyncio.Event) -> None:
        await self.read()
        await self._orders.time.wait(stopping, self._orders.time.now() + EVERY)

    async def read(self) -> int:
        """Keep the prices of what was planned in the hour that is a day ago, and of what was missed before it."""
        now = self._orders.time.now()
        until = now - KNOWN_AFTER
        looks_back = now >= self._looks_back_at
        since = until - (MISSED_WITHIN if looks_back else 2 * EVERY)
        async with self._orders.ledger.reading() as tx:
            wanted = await costs.unpriced(tx, since, until, [*self._providers])
        if looks_back:
            self._looks_back_at = now + MISSED_EVERY
        if not wanted:
            return 0
        first = min(planned for _, planned in wanted.values())
        kept: dict[UUID, tuple[Decimal, str]] = {}
        for provider in self._providers.values():
            prices = await provider.prices(first, until + SENT_WITHIN)
            kept |= {wanted[sid][0]: price for sid, price in prices.items() if sid in wanted}
        async with self._orders.ledger.transaction() as tx:
            await costs.keep_prices(tx, kept)
        log.info("prices.read", asked=len(wanted), told=len(kept))
        return len(kept)

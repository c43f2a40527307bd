"""Housekeeping of messages: lapsed leases, expired codes, and the gauges of waiting."""

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

from service.ledger.database.wakeups import dispatch_topic
from service.ledger.escalations.writing import TEAMS
from service.ledger.messages import housekeeping
from service.orders import Orders
from service.report_mail import MAIL
from service.runtime.loops import run_loop
from service.telemetry import metrics

log = structlog.get_logger(__name__)
EVERY: Final = timedelta(seconds=1)
# Calls to teams and mails have transports of their own, and say nothing of the broker.
_NOT_THE_BROKERS: Final = (TEAMS, MAIL)


class Cleaner:
    """Runs beside the channels' loops; any number of processes may have one."""

    def __init__(self, orders: Orders, channels: Iterable[str]) -> None:
        self._orders = orders
        self._channels = tuple(channels)

    async def run(self, stopping: asyncio.Event) -> None:
        """Sweep about once a second until `stopping`."""
        await run_loop("cleaner", partial(self._turn, stopping), stopping)

    async def _turn(self, stopping: asyncio.Event) -> None:
        await self.clean()
        await self._orders.time.wait(stopping, self._orders.time.now() + EVERY)

    async def clean(self) -> None:
        """One round."""
        now = self._orders.time.now()
        async with self._orders.ledger.reading() as tx:
            is_needed = await housekeeping.is_needed(tx, now)
        if is_needed:
            await self._sweep(now)
        async with self._orders.ledger.reading() as tx:
            waiting = await housekeeping.oldest_pending(tx, self._channels)
            oldest = await housekeeping.oldest_leaving(tx, now, but=_NOT_THE_BROKERS)
        for channel in self._channels:
            since = waiting.get(channel)
            metrics.oldest_pending.labels(channel).set(max(0.0, (now - since).total_seconds()) if since else 0.0)
        metrics.outbox_age.set(max(0.0, (now - oldest).total_seconds()) if oldest else 0.0)

    async def _sweep(self, now: datetime) -> None:
        async with self._orders.ledger.transaction() as tx:
            lapsed = await housekeeping.recover_lapsed(tx, now)
            await housekeeping.erase_expired_secrets(tx, now)
        if lapsed:
            log.warning("dispatch.lease_expired", count=lapsed)
            self._orders.wakeups.wake(
                dispatch_topic(channel, codes=codes) for channel in self._channels for codes in (True, False)
            )

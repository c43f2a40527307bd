"""Housekeeping of messages: lapsed leases, unanswered sends, expired codes, and the gauges of waiting."""

import asyncio
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog

from service.core import Core
from service.dispatch.compose import Composer
from service.dispatch.outcomes import OutcomeWriter
from service.dispatch.route import Route
from service.dispatch.settle import Outcome, Settler
from service.domain.errors import Rejection
from service.domain.notices import Lookup
from service.ledger import claims, housekeeping, outbox
from service.ledger.engine import is_transient
from service.ledger.wakeups import dispatch_topic
from service.telemetry import metrics
from service.workflows.templates import UNRENDERABLE

log = structlog.get_logger(__name__)
EVERY: Final = timedelta(seconds=1)
AT_ONCE: Final = 100


class Sweeper:
    """Runs beside the channels' loops; any number of processes may have one."""

    def __init__(
        self,
        core: Core,
        routes: dict[str, Route],
        composer: Composer,
        settler: Settler,
        outcomes: OutcomeWriter,
    ) -> None:
        self._core = core
        self._routes = routes
        self._composer = composer
        self._settler = settler
        self._outcomes = outcomes

    async def run(self, stopping: asyncio.Event) -> None:
        """Sweep about once a second until `stopping`."""
        while not stopping.is_set():
            try:
                await self.sweep()
            except Exception as error:
                if not is_transient(error):
                    log.exception("sweep.failed")
            await self._core.time.wait(stopping, self._core.time.now() + EVERY)

    async def sweep(self) -> None:
        """One round."""
        now = self._core.time.now()
        async with self._core.ledger.transaction() as connection:
            lapsed = await housekeeping.recover_lapsed(connection, now)
            await housekeeping.erase_expired_secrets(connection, now)
            unanswered = await housekeeping.unknown_due(connection, now, AT_ONCE)
            waiting = await housekeeping.oldest_pending(connection)
            oldest = await outbox.oldest(connection, now)
        if lapsed:
            log.warning("lease.lapsed", count=lapsed)
            self._core.wakeups.wake(dispatch_topic(channel) for channel in self._routes)
        for channel in self._routes:
            since = waiting.get(channel)
            metrics.oldest_pending.labels(channel).set(max(0.0, (now - since).total_seconds()) if since else 0.0)
        metrics.outbox_age.set(max(0.0, (now - oldest).total_seconds()) if oldest else 0.0)
        open_ones = [(n, order) for n, order in unanswered if not self._outcomes.holds(n)]
        if open_ones:
            await self._settler.write([await self._look_up(n, order) for n, order in open_ones])

    async def _look_up(self, notification_id: UUID, order_id: UUID) -> Outcome:
        """Ask the provider; where it cannot tell, the notice's policy decides."""
        async with self._core.ledger.reading() as connection:
            asked = await claims.find_composable(connection, self._core.keyring, notification_id)
        if asked is not None and asked.notification.channel in self._routes:
            route = self._routes[asked.notification.channel]
            try:
                composed = self._composer.compose(asked, 1)
                found = await route.find(asked.notification.provider, composed.outgoing)
            except (Rejection, *UNRENDERABLE):
                found = None
            if found is not None:
                return Outcome(notification_id, order_id, found)
        return Outcome(notification_id, order_id, Lookup())

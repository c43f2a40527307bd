"""Settles unanswered sends: asks the provider whether it has the message, after a receipt had its time to come."""

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Final

from service.core import Core
from service.dispatch.compose import Composer
from service.dispatch.outcomes import OutcomeWriter
from service.dispatch.route import Route
from service.dispatch.settle import Outcome
from service.domain.errors import Rejection
from service.domain.notices import Accepted, Lookup
from service.earlier_packs import recall
from service.ledger import claims, housekeeping, notifications
from service.ledger.housekeeping import Unanswered
from service.runtime.loops import run_loop
from service.workflows.templates import UNRENDERABLE

EVERY: Final = timedelta(seconds=1)
AT_ONCE: Final = 10


class Lookups:
    """A loop of its own: a provider that hangs on questions holds up no housekeeping. Any number of processes may."""

    def __init__(self, core: Core, routes: Mapping[str, Route], composer: Composer, outcomes: OutcomeWriter) -> None:
        self._core = core
        self._routes = routes
        self._composer = composer
        self._outcomes = outcomes

    async def run(self, stopping: asyncio.Event) -> None:
        """Look about once a second, and again at once while there are more, until `stopping`."""
        await run_loop("lookups", partial(self._turn, stopping), stopping)

    async def _turn(self, stopping: asyncio.Event) -> None:
        if await self._round() < AT_ONCE:
            await self._core.time.wait(stopping, self._core.time.now() + EVERY)

    async def _round(self) -> int:
        """Settle a few at once; returns how many."""
        async with self._core.ledger.transaction() as tx:
            unanswered = await housekeeping.claim_unanswered(tx, self._core.time.now(), AT_ONCE)
        await asyncio.gather(*(self._settle(u) for u in unanswered if not self._outcomes.holds(u.id)))
        return len(unanswered)

    async def _settle(self, unanswered: Unanswered) -> None:
        found = await self._look_up(unanswered)
        self._outcomes.put(Outcome(unanswered.id, unanswered.order_id, found, unanswered.fence))

    async def _look_up(self, unanswered: Unanswered) -> Accepted | Lookup:
        """Ask the provider; where it cannot tell, the notice's policy decides."""
        async with self._core.ledger.reading() as tx:
            asked = await claims.find_composable(tx, unanswered.id)
            others = await notifications.provider_ids(tx, unanswered.order_id, but=unanswered.id)
            if asked is None or asked.notification.channel not in self._routes:
                return Lookup()
            # It is found by its words: those of the pack that its order goes by.
            await recall(tx, self._core.packs, [(asked.workflow, asked.version)])
        with contextlib.suppress(Rejection, *UNRENDERABLE):
            composed = self._composer.compose(asked, 1)
            route = self._routes[asked.notification.channel]
            return await route.find(asked.notification.provider, composed.outgoing, others)
        return Lookup()

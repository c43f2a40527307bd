"""Settles unanswered sends: asks the provider whether it has the message, if no receipt has come in time."""

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Final

from service.dispatch.compose import Composer
from service.dispatch.outcomes import OutcomeWriter
from service.dispatch.route import ChannelRoute
from service.dispatch.settle import Outcome
from service.domain.errors import Rejection
from service.domain.notices import Accepted, Lookup
from service.earlier_packs import recall
from service.ledger.database.wakeups import UNKNOWN_TOPIC
from service.ledger.messages import claims, housekeeping
from service.ledger.messages import states as message_states
from service.ledger.messages.housekeeping import UnknownMessage
from service.orders import Orders
from service.runtime.loops import run_loop
from service.workflows.templates import UNRENDERABLE

EVERY: Final = timedelta(seconds=1)
AT_ONCE: Final = 10


class UnknownResolver:
    """A loop of its own: a provider that hangs on questions holds up no housekeeping. Any number of processes may."""

    def __init__(
        self, orders: Orders, routes: Mapping[str, ChannelRoute], composer: Composer, outcomes: OutcomeWriter
    ) -> None:
        self._orders = orders
        self._routes = routes
        self._composer = composer
        self._outcomes = outcomes
        self._wake = orders.wakeups.subscribe(UNKNOWN_TOPIC)

    async def run(self, stopping: asyncio.Event) -> None:
        """Look about once a second, and again at once while there are more, until `stopping`."""
        await run_loop("unknown_messages", partial(self._turn, stopping), stopping)

    async def _turn(self, stopping: asyncio.Event) -> None:
        self._wake.clear()
        if await self._round() < AT_ONCE and not stopping.is_set():
            await self._orders.time.wait(self._wake, self._orders.time.now() + EVERY)

    async def _round(self) -> int:
        """Settle a few at once; returns how many."""
        now = self._orders.time.now()
        async with self._orders.ledger.reading() as tx:
            if not await housekeeping.is_any_unknown_due(tx, now):
                return 0
        async with self._orders.ledger.transaction() as tx:
            unknown = await housekeeping.claim_unknown(tx, now, AT_ONCE)
        await asyncio.gather(*(self._settle(u) for u in unknown if not self._outcomes.holds(u.id)))
        return len(unknown)

    async def _settle(self, unknown: UnknownMessage) -> None:
        found = await self._look_up(unknown)
        self._outcomes.put(Outcome(unknown.id, unknown.order_id, found, unknown.fencing_token))

    async def _look_up(self, unknown: UnknownMessage) -> Accepted | Lookup:
        """Ask the provider; where it cannot tell, the notice's policy decides."""
        async with self._orders.ledger.reading() as tx:
            found = await claims.find_composable(tx, unknown.id)
            others = await message_states.provider_ids(tx, unknown.order_id, but=unknown.id)
            if found is None or found.message.channel not in self._routes:
                return Lookup()
            # It is found by its words: those of the pack that its order goes by.
            await recall(tx, self._orders.packs, [(found.workflow, found.version)])
        with contextlib.suppress(Rejection, *UNRENDERABLE):
            composed = self._composer.compose(found, 1)
            route = self._routes[found.message.channel]
            return await route.find(found.message.provider, composed.outgoing, others)
        return Lookup()

"""Indexes existing orders by attribute, in the background, when packs begin to show other attributes."""

import asyncio
from typing import Final

from service.ledger.database.engine import Ledger
from service.ledger.orders.attributes import begin, index_next, rules_of
from service.runtime.loops import log_failure
from service.workflows.packs import Packs

LOOK_EVERY_S: Final = 5.0
# Between two stretches, so that whoever waits for an order or for SQLite's one writer comes in between.
PAUSE_S: Final = 0.05


class AttributeIndex:
    """One process's part in it. Packs that others brought since are theirs to index by: it begins once for its own."""

    def __init__(self, ledger: Ledger, packs: Packs) -> None:
        self._ledger = ledger
        self._packs = packs
        self._begun = self._done = ""

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            try:
                await self.catch_up()
            except Exception as error:
                log_failure("attributes", error)
            await asyncio.sleep(LOOK_EVERY_S)

    async def catch_up(self) -> None:
        """Index what is not indexed yet by the packs in use."""
        rules = rules_of(self._packs.workflows.values())
        if rules == self._done:
            return
        if rules != self._begun:
            async with self._ledger.transaction() as tx:
                await begin(tx, rules)
            self._begun = rules
        await index_all(self._ledger, self._packs, rules)
        self._done = rules


async def index_all(ledger: Ledger, packs: Packs, rules: str) -> int:
    """Stretch by stretch, until nothing is left; how many orders were looked into here."""
    total = 0
    while True:
        async with ledger.transaction() as tx:
            stretch = await index_next(tx, packs.workflows, rules)
        total += stretch.looked_into
        if stretch.is_last:
            return total
        await asyncio.sleep(PAUSE_S if stretch.looked_into else 0)

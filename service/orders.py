"""Units of work for all loops and pages: the only way to change an order."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from service.domain.causes import Cause
from service.domain.errors import Rejection
from service.domain.order import OrderRef
from service.domain.scopes import Scope
from service.keyring import Keyring
from service.ledger.auditing.lines import AuditLine, write_audit
from service.ledger.database.engine import Ledger
from service.ledger.database.wakeups import Wakeups
from service.ledger.orders import packs as pack_store
from service.ledger.orders.commit import Changes
from service.timekeeping import TimeSource
from service.unit_of_work import Result, UnitOfWork
from service.workflows.pack_bundles import bundle
from service.workflows.pack_text import rules
from service.workflows.packs import Packs, check_templates


class NoSuchOrder(Exception):
    """No order of this workflow has this id."""


class _NotKept(Exception):
    """Raised to undo a unit of work that was a dry run."""


class Orders:
    """The parts that decisions need, built once per process."""

    def __init__(
        self,
        ledger: Ledger,
        packs: Packs,
        time: TimeSource,
        wakeups: Wakeups,
        team_endpoints: Mapping[str, int] | None = None,
    ) -> None:
        self.ledger = ledger
        self.packs = packs
        self.time = time
        self.wakeups = wakeups
        self.team_endpoints = team_endpoints or {}

    @property
    def keyring(self) -> Keyring:
        """The installation's keys."""
        return self.ledger.keyring

    async def adopt_packs(self) -> None:
        """Check the templates of packs that these rules have not checked yet, and store all packs; raises PackError."""
        async with self.ledger.reading() as tx:
            checked = await pack_store.checked(tx, rules())
        new = [p for p in self.packs if (p.workflow.name, p.workflow.version) not in checked]
        check_templates(new)
        if new:
            await self.keep_packs()

    async def keep_packs(self) -> None:
        """Store the packs in use in the ledger, for the orders that start with them."""
        bundles = {(p.workflow.name, p.workflow.version): bundle(p) for p in self.packs}
        async with self.ledger.transaction() as tx:
            await pack_store.store_packs(tx, bundles, rules(), self.time.now())

    @asynccontextmanager
    async def unit_of_work(self, *, but: frozenset[str] = frozenset(), keep: bool = True) -> AsyncIterator[UnitOfWork]:
        """Decisions inside are committed on leaving; `but`: topics whose loops need no waking, as they look anyway.

        Without `keep` it is a dry run: nothing is written, and nobody is notified.
        """
        now = self.time.now()
        changes = Changes(self.keyring, now, self.team_endpoints, self.packs.workflows)
        with contextlib.suppress(_NotKept):
            async with self.ledger.transaction() as tx:
                unit = UnitOfWork(tx, now, self.packs, self.wakeups, changes)
                yield unit
                if not keep:
                    raise _NotKept
                await unit.finish()
            unit.committed(but)

    async def act(self, ref: OrderRef, cause: Cause, audit: Sequence[AuditLine] = (), *, scope: Scope) -> Result:
        """Decide a person's command about one order, and commit it; raises Rejection, NoSuchOrder."""
        async with self.unit_of_work() as u:
            await u.lock([ref])
            if not await u.sees(ref, scope):
                raise NoSuchOrder
            result = u.decide(ref, cause)
            if result.outcome == "rejected":
                raise result.rejection or Rejection(result.reason)
            await u.write()
            await write_audit(u.tx, audit, u.now)
        return result

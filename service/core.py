"""The one way through: causes → load under lock → `decide` → one commit. Every loop and page comes here."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

import structlog
from msgspec import Struct, structs
from sqlalchemy.ext.asyncio import AsyncConnection

from service.canonical import canonical_order
from service.domain.causes import Cause
from service.domain.decide import decide
from service.domain.draft import Decision
from service.domain.errors import Rejection
from service.domain.order import Order, order_uuid
from service.keyring import Keyring
from service.ledger import pack_store
from service.ledger.audit import AuditLine, write_audit
from service.ledger.commit import Batch
from service.ledger.engine import Ledger, new_uuid
from service.ledger.orders import OrderName, lock_named
from service.ledger.wakeups import Wakeups, announce
from service.timekeeping import TimeSource
from service.workflows.packs import Pack, PackError, Packs, bundle, check_templates, rules, unbundle

log = structlog.get_logger(__name__)


class NoSuchOrder(Exception):
    """No order of this workflow has this id."""


class Result(Struct, frozen=True):
    """What became of one cause."""

    outcome: Literal["accepted", "late", "rejected"]
    reason: str = ""
    decision: Decision | None = None
    rejection: Rejection | None = None


class Core:
    """The parts that a decision needs, put together once per process."""

    def __init__(
        self,
        ledger: Ledger,
        packs: Packs,
        time: TimeSource,
        wakeups: Wakeups,
        team_ways: Mapping[str, int] | None = None,
    ) -> None:
        self.ledger = ledger
        self.packs = packs
        self.time = time
        self.wakeups = wakeups
        self.team_ways = team_ways or {}

    @property
    def keyring(self) -> Keyring:
        """The installation's keys."""
        return self.ledger.keyring

    def batch(self, now: datetime) -> Batch:
        """An empty batch of decisions."""
        return Batch(self.keyring, now, self.team_ways)

    async def adopt_packs(self) -> None:
        """Check the templates of packs that were never checked by these rules, and keep all; raises PackError."""
        async with self.ledger.reading() as connection:
            checked = await pack_store.checked(connection, rules())
        new = [p for p in self.packs if (p.workflow.name, p.workflow.version) not in checked]
        check_templates(new)
        if new:
            await self.keep_packs()

    async def keep_packs(self) -> None:
        """Keep the packs in use, which were checked, for the orders that begin on them."""
        bundles = {(p.workflow.name, p.workflow.version): bundle(p) for p in self.packs}
        async with self.ledger.transaction() as connection:
            await pack_store.keep(connection, bundles, rules(), self.time.now())

    async def recall_packs(self, connection: AsyncConnection, versions: Iterable[tuple[str, str]]) -> None:
        """Fetch the earlier packs that orders of these (workflow, version) go on by."""
        for workflow, version in {v for v in versions if not self.packs.knows(*v)}:
            bundled = await pack_store.find(connection, workflow, version)
            pack = self.packs.get(workflow)
            try:
                pack = unbundle(bundled, version) if bundled else pack
            except PackError as error:
                log.error("pack.earlier_unusable", workflow=workflow, version=version, problems=len(error.problems))
            self.packs.remember(Pack(structs.replace(pack.workflow, version=version), pack.templates))

    def decide_named(
        self,
        batch: Batch,
        orders: dict[OrderName, Order],
        causes: Sequence[tuple[OrderName, Cause, str]],
        now: datetime,
    ) -> list[Result]:
        """Decide each (order, cause, traceparent) in turn; `orders` holds, and gets, their states."""
        results = []
        for name, cause, traceparent in causes:
            result, order = self._decide(batch, orders.get(name), name[0], cause, now, traceparent)
            if order is not None:
                orders[name] = order
            results.append(result)
        return results

    def decide_known(
        self, batch: Batch, orders: dict[UUID, Order], order_id: UUID, cause: Cause, now: datetime
    ) -> Result:
        """Decide about an order that is in the ledger; one erased meanwhile is rejected."""
        before = orders.get(order_id)
        if before is None:
            return Result("rejected", "no such order")
        result, order = self._decide(batch, before, before.workflow, cause, now, "")
        if order is not None:
            orders[order_id] = order
        return result

    def _decide(
        self, batch: Batch, before: Order | None, workflow: str, cause: Cause, now: datetime, traceparent: str
    ) -> tuple[Result, Order | None]:
        try:
            pack = self.packs.for_order(workflow, before.version if before else "")
            known = canonical_order(before, pack.workflow.region) if before else None
            decision = decide(known, cause, pack.workflow, now, order_uuid(new_uuid()))
        except Rejection as rejection:
            return Result("rejected", rejection.reason, rejection=rejection), None
        batch.add(pack.workflow, before, decision, traceparent)
        return Result(decision.outcome, decision=decision), decision.order

    async def act(self, name: OrderName, cause: Cause, audit: Sequence[AuditLine] = ()) -> Result:
        """Decide one cause of a person about one order and commit it; raises Rejection, NoSuchOrder."""
        now = self.time.now()
        batch = self.batch(now)
        async with self.ledger.transaction() as connection:
            orders = await lock_named(connection, self.keyring, [name])
            if name not in orders:
                raise NoSuchOrder
            await self.recall_packs(connection, ((o.workflow, o.version) for o in orders.values()))
            (result,) = self.decide_named(batch, orders, [(name, cause, "")], now)
            if result.outcome == "rejected":
                raise result.rejection or Rejection(result.reason)
            await self.write(connection, batch)
            await write_audit(connection, self.keyring, audit, now)
        self.committed(batch)
        return result

    async def write(self, connection: AsyncConnection, batch: Batch) -> None:
        """Write the batch in the running transaction, and announce it to other processes."""
        await batch.write(connection)
        await announce(connection, batch.woken, self.wakeups.origin)

    def committed(self, batch: Batch, topics: Iterable[str] | None = None) -> None:
        """The batch is in the ledger: count what it did, and wake whoever has work by it (`topics`: them alone)."""
        batch.count()
        self.wakeups.wake(batch.woken if topics is None else topics)

"""The unit of work: causes, the orders that they concern under lock, `decide`, and one commit of all that follows."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal
from uuid import UUID

from msgspec import Struct

from service.canonical import canonical_order
from service.domain.causes import Cause
from service.domain.decide import decide
from service.domain.draft import Decision
from service.domain.errors import Rejection
from service.domain.order import ASSIGNEE, Order, OrderRef, order_uuid
from service.domain.quoting import reference
from service.domain.scopes import Scope
from service.domain.together import OfWhole, Together, decide_with_whole
from service.earlier_packs import recall
from service.ledger.database.engine import new_uuid
from service.ledger.database.transaction import Transaction
from service.ledger.database.wakeups import Wakeups
from service.ledger.orders.commit import Changes
from service.ledger.orders.inbox import InboxEntry
from service.ledger.orders.locking import lock_by_id, lock_due, lock_for_events, lock_named, wholes_of
from service.ledger.orders.scoping import sees
from service.workflows.packs import Packs


class Result(Struct, frozen=True):
    """The result of one cause; `cause`: in the form in which it was decided, and is to be recorded."""

    outcome: Literal["accepted", "late", "rejected"]
    reason: str = ""
    decision: Decision | None = None
    rejection: Rejection | None = None
    cause: Cause | None = None


class BecamePart(Exception):
    """An order became a part of another one while its lock was awaited: the other one has to be locked, too."""


class UnitOfWork:
    """What is decided and committed together, at one moment (`now`, UTC).

    `Orders.unit_of_work` opens it. Lock the orders first, decide each cause, and leave: what was decided is written,
    other processes hear of it with the commit, and after it this one's loops are woken. An exception undoes all of it.
    """

    def __init__(self, tx: Transaction, now: datetime, packs: Packs, wakeups: Wakeups, changes: Changes) -> None:
        self.tx = tx
        self.now = now
        self._packs = packs
        self._wakeups = wakeups
        self._changes = changes
        self._orders: dict[OrderRef, Order] = {}
        self._is_written = False

    async def lock(self, refs: Iterable[OrderRef]) -> None:
        """Lock these orders; those that do not exist yet may be created by a cause."""
        await self._hold((await lock_named(self.tx, refs)).values())

    async def lock_for_events(self, keys: Iterable[bytes], refs: Iterable[OrderRef]) -> dict[bytes, InboxEntry]:
        """As `lock`, and what the inbox knows of events with these keys; the wholes of parts are locked with them.

        All in one statement, by their ids, so that two parts of one whole never wait for each other. Raises BecamePart.
        """
        of_parts = self._packs.of_parts
        wanted = set(refs)
        if parts := [ref for ref in wanted if ref.workflow in of_parts]:
            wanted |= set(await wholes_of(self.tx, parts))
        seen, found = await lock_for_events(self.tx, keys, wanted)
        await self._hold(found.values())
        if any(
            order.parent and order.parent not in wanted for order in found.values() if order.ref.workflow in of_parts
        ):
            raise BecamePart
        return seen

    async def lock_ids(self, ids: Iterable[UUID]) -> dict[UUID, OrderRef]:
        """Lock the orders with these ids; returns those that exist."""
        found = await lock_by_id(self.tx, ids)
        await self._hold(found.values())
        return {order.id: order.ref for order in found.values()}

    async def lock_due(self, limit: int) -> list[Order]:
        """Lock orders that are due, up to the limit, longest due first; those locked by others are skipped."""
        due = await lock_due(self.tx, self.now, limit)
        await self._hold(due)
        return due

    async def _hold(self, orders: Iterable[Order]) -> None:
        held = {order.ref: order for order in orders}
        await recall(self.tx, self._packs, ((o.workflow, o.version) for o in held.values()))
        self._orders |= held

    def order(self, ref: OrderRef) -> Order | None:
        """The order after the decisions so far."""
        return self._orders.get(ref)

    async def sees(self, ref: OrderRef, scope: Scope) -> bool:
        """Whether the order is locked, exists, and may be seen in this scope."""
        order = self._orders.get(ref)
        return order is not None and await sees(self.tx, order, scope)

    def addresses(self, ref: OrderRef, *channels: str) -> frozenset[str]:
        """Addresses of this locked order's people, assignee included, on these channels; on all if none are given."""
        order = self._orders.get(ref)
        pack = self._packs.find(ref.workflow, order.version if order else "")
        if order is None or pack is None:
            return frozenset()
        people = [p for audience in (*order.recipients, ASSIGNEE) for p in order.people(audience)]
        known = [pack.workflow.channel(name) for name in channels or pack.workflow.channels]
        return frozenset(a for channel in known for p in people for a in channel.addresses(p))

    def put(self, order: Order) -> None:
        """Replace the state of a locked order."""
        self._orders[order.ref] = order

    def decide(self, ref: OrderRef, cause: Cause, traceparent: str = "") -> Result:
        """Decide a cause; a rejection is returned as a result, and writes nothing."""
        before = self._orders.get(ref)
        try:
            pack = self._packs.for_order(ref.workflow, before.version if before else "")
            known = canonical_order(before, pack.workflow.region) if before else None
            new_id = order_uuid(new_uuid())
            decision = decide(known, cause, pack.workflow, new_id)
            both = Together(cause, decision)
            if decision.order.parent is not None and (whole := self._whole(before, decision.order)):
                theirs = self._packs.for_order(whole.workflow, whole.version).workflow
                whole = canonical_order(whole, theirs.region)
                both = decide_with_whole(known, cause, pack.workflow, new_id, decision, whole, theirs)
        except Rejection as rejection:
            return Result("rejected", rejection.reason, rejection=rejection)
        self._changes.add(pack.workflow, before, both.decision, traceparent, both.cause)
        self._orders[ref] = both.decision.order
        if both.whole:
            self._keep_whole(both.whole, traceparent)
        return Result(both.decision.outcome, decision=both.decision, cause=both.cause)

    def _whole(self, before: Order | None, part: Order) -> Order | None:
        """The whole of this part, where it is locked here; raises Rejection for a new part of what is not known.

        A receipt or a clock changes nothing that it would hear of, and locks the part alone.
        """
        assert part.parent is not None
        found = self._orders.get(part.parent)
        if found is None and (before is None or before.parent is None):
            name = f"{part.parent.workflow} order {reference(part.parent.reference)}"
            raise Rejection(f"data.parent: no {name} is known")
        return found

    def _keep_whole(self, whole: OfWhole, traceparent: str) -> None:
        """Commit the decision about the whole together with that about its part."""
        ref = whole.decision.order.ref
        before = self._orders[ref]
        workflow = self._packs.for_order(ref.workflow, before.version).workflow
        self._changes.add(workflow, before, whole.decision, traceparent, whole.cause)
        self._orders[ref] = whole.decision.order

    @property
    def changes(self) -> Changes:
        """What is going to be written, for what belongs to no decision: messages to the broker, outcomes."""
        return self._changes

    async def write(self) -> None:
        """Write the decisions now, for what must follow within the transaction; otherwise leaving the unit does it."""
        self._is_written = True
        await self._changes.write(self.tx, self._wakeups.origin)

    async def finish(self) -> None:
        """Write what is not written yet, before the commit."""
        if not self._is_written:
            await self.write()

    def committed(self, but: frozenset[str]) -> None:
        """Update metrics, and wake the loops that have work, after the commit."""
        self._changes.count()
        self._wakeups.wake(self._changes.woken - but)

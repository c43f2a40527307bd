"""Broadcasts: one notice to the people of all orders that a filter finds, each person once; counted or sent."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from service.domain.causes import SendNotice, Wave
from service.domain.draft import Decision
from service.ledger.auditing.lines import AuditLine, write_audit
from service.orders import Orders
from service.unit_of_work import UnitOfWork

MOST: Final = 5_000
ORDERS_AT_ONCE: Final = 50


class BroadcastResult(Struct, frozen=True):
    """What was, or would be, sent. `excluded`: how many orders were left out, by reason."""

    orders: int
    planned: int
    messages: int
    excluded: Mapping[str, int]
    until: datetime | None


class Broadcast(Struct, frozen=True):
    """A broadcast as requested. `per_minute`: for how many orders messages may be sent in a minute."""

    notice: str
    by: str
    channels: tuple[str, ...] = ()
    inputs: Mapping[str, Any] = {}
    per_minute: int = 600
    dry_run: bool = False


async def broadcast(orders: Orders, wanted: Broadcast, ids: Sequence[UUID], line: AuditLine | None) -> BroadcastResult:
    """Tell the people of these orders, the newest order of each person first. `line` is for the audit log."""
    wave = _Wave(orders, wanted)
    # At least once, so that the request is audited even where nothing is found.
    for start in range(0, max(1, len(ids)), ORDERS_AT_ONCE):
        await wave.run(ids[start : start + ORDERS_AT_ONCE], [line] if line and start == 0 else [])
    return BroadcastResult(len(ids), wave.planned, wave.messages, dict(wave.excluded.most_common()), wave.until)


class _Wave:
    """Processes the orders, and remembers who was told."""

    def __init__(self, orders: Orders, wanted: Broadcast) -> None:
        self._orders = orders
        self._wanted = wanted
        self._began = orders.time.now()
        self._told: set[str] = set()
        self.planned = self.messages = 0
        self.excluded = Counter[str]()
        self.until: datetime | None = None

    async def run(self, ids: Sequence[UUID], lines: Sequence[AuditLine]) -> None:
        """Process the next orders in one transaction, which is undone for a dry run."""
        keep = not self._wanted.dry_run
        async with self._orders.unit_of_work(keep=keep) as u:
            await self._decide(u, ids)
            if keep:
                await u.write()
                await write_audit(u.tx, lines, u.now)

    async def _decide(self, u: UnitOfWork, ids: Sequence[UUID]) -> None:
        refs = await u.lock_ids(ids)
        for order_id in ids:
            ref = refs.get(order_id)
            if ref is None:
                self.excluded["it is gone"] += 1
                continue
            wanted = self._wanted
            turn = self._began + timedelta(minutes=self.planned / wanted.per_minute)
            # Of all that were told, only this order's own: the cause is kept with the order, and erased with it.
            already_told = u.addresses(ref) & self._told
            wave = Wave(already_told, turn)
            result = u.decide(ref, SendNotice(u.now, wanted.notice, wanted.by, wanted.channels, wanted.inputs, wave))
            if result.decision is None:
                self.excluded[result.reason] += 1
            else:
                self._count(result.decision, turn, already_told=bool(already_told))

    def _count(self, decision: Decision, turn: datetime, *, already_told: bool) -> None:
        planned = [n for notice in decision.notices if notice.name == self._wanted.notice for n in notice.messages]
        going = [n for n in planned if n.state != "suppressed"]
        if not going:
            # A channel on which they have no address says nothing of why the others are left out.
            elsewhere = already_told or not planned
            self.excluded["they are told by another of their orders" if elsewhere else planned[0].error] += 1
            return
        self._told |= {n.address for n in going}
        self.planned += 1
        self.messages += len(going)
        self.until = max(self.until or turn, *(n.not_before for n in going))

"""Resending messages that reached nobody: selected by a filter, counted or sent, many orders per transaction."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from msgspec import Struct, structs

from service.domain.causes import ResendMessages
from service.domain.draft import Decision
from service.domain.errors import Rejection
from service.domain.notices import Message
from service.domain.order import OrderRef
from service.domain.resending import withdrawn
from service.domain.scopes import Scope
from service.ledger.auditing.lines import AuditLine, write_audit
from service.ledger.messages import states as rows
from service.ledger.messages.listing import ListedMessage, WantedMessages, found_messages
from service.ledger.messages.states import StoredMessage
from service.ledger.messages.suppressions import opted_out
from service.orders import Orders
from service.unit_of_work import UnitOfWork

MOST: Final = 5_000
ORDERS_AT_ONCE: Final = 50


class Resent(Struct, frozen=True):
    """What was, or would be, told again. `excluded`: how many were left out, by the word that says why.

    `until`: when the last of them may leave, as they are spread over time.
    """

    matched: int
    planned: int
    excluded: Mapping[str, int]
    orders: int
    until: datetime | None


class Request(Struct, frozen=True):
    """What is asked for. `channel`: empty for each by its own; `per_minute`: how many may leave in one.

    `scope`: of which orders.
    """

    wanted: WantedMessages
    by: str
    scope: Scope
    channel: str = ""
    per_minute: int = 600
    dry_run: bool = False


async def resend(orders: Orders, request: Request, line: AuditLine | None = None) -> Resent:
    """Find and resend messages; raises Rejection for too many. `line` is for the audit log."""
    async with orders.ledger.reading() as tx:
        wanted = structs.replace(request.wanted, limit=MOST + 1, cursor="")
        found = await found_messages(tx, wanted, scope=request.scope)
    if len(found) > MOST:
        raise Rejection(f"filter: more than {MOST:,} messages match; narrow it, by time for example")
    by_order: dict[UUID, list[ListedMessage]] = {}
    for f in reversed(found):
        by_order.setdefault(f.order_id, []).append(f)
    total, planned, concerned = Counter[str](), 0, 0
    until: datetime | None = None
    lines = [line] if line else []
    everything = list(by_order.items())
    # At least once, so that the request is audited even where nothing is found.
    for start in range(0, max(1, len(everything)), ORDERS_AT_ONCE):
        batch = _Batch(orders, request, planned, dict(everything[start : start + ORDERS_AT_ONCE]))
        await batch.run(lines)
        lines = []
        planned, concerned = planned + batch.planned, concerned + batch.concerned
        total += batch.excluded
        until = batch.until or until
    return Resent(len(found), planned, dict(total.most_common()), concerned, until)


class _Batch:
    """Some orders, in one transaction. `first`: how many were planned by the batches before."""

    def __init__(
        self, orders: Orders, request: Request, first: int, found: Mapping[UUID, Sequence[ListedMessage]]
    ) -> None:
        self._orders = orders
        self._request = request
        self._first = first
        self._found = found
        self.planned = 0
        self.concerned = 0
        self.excluded = Counter[str]()
        self.until: datetime | None = None
        self._withdrawn: list[Message] = []
        self._stored: Mapping[UUID, StoredMessage] = {}

    async def run(self, lines: Sequence[AuditLine]) -> None:
        """Decide all; kept unless it is a dry run."""
        keep = not self._request.dry_run
        async with self._orders.unit_of_work(keep=keep) as u:
            await self._decide(u)
            if keep:
                await u.write()
                await rows.settle_places(u.tx, self._withdrawn, self._stored)
                await write_audit(u.tx, lines, u.now)

    async def _decide(self, u: UnitOfWork) -> None:
        refs = await u.lock_ids(self._found)
        stored = await rows.lock(u.tx, (f.id for some in self._found.values() for f in some))
        siblings = await rows.of_notices(u.tx, (s.message.notice_id for s in stored.values()))
        changed: list[Message] = []
        for order_id, some in self._found.items():
            ref = refs.get(order_id)
            mine = tuple(stored[f.id].message for f in some if f.id in stored)
            if ref is None or not mine:
                self.excluded["gone"] += len(some)
                continue
            theirs = tuple(s.message for s in siblings.values() if s.message.order_id == order_id)
            cause = ResendMessages(
                u.now, mine, theirs, tuple({f.notice.id: f.notice for f in some}.values()), self._request.by,
                self._request.channel, self._turn(u.now), await self._unwilling(u, ref, mine),
            )  # fmt: skip
            result = u.decide(ref, cause)
            if result.decision is None:
                self.excluded["gone"] += len(mine)
                continue
            changed += self._count(result.decision, mine)
        for n in changed:
            u.changes.report(n, stored[n.id].workflow, stored[n.id].reference)
        rows.put_states(u.changes.writes, changed, u.now, stored, {})
        self._withdrawn, self._stored = changed, stored

    def _turn(self, now: datetime) -> datetime:
        """When the next order's messages may be sent."""
        return now + timedelta(minutes=(self._first + self.planned) / self._request.per_minute)

    async def _unwilling(self, u: UnitOfWork, ref: OrderRef, mine: Sequence[Message]) -> frozenset[str]:
        """Addresses of the order's people that want nothing by the channels in question."""
        found: set[str] = set()
        for channel in {self._request.channel or n.channel for n in mine}:
            found |= await opted_out(u.tx, channel, u.addresses(ref, channel))
        return frozenset(found)

    def _count(self, decision: Decision, mine: Sequence[Message]) -> list[Message]:
        planned = decision.more_messages
        self.planned += len(planned)
        self.concerned += bool(planned)
        self.excluded += Counter(e.detail["why"] for e in decision.entries if e.kind == "resend_skipped")
        self.until = max((n.not_before for n in planned), default=self.until)
        return withdrawn(mine, planned, self._request.by)

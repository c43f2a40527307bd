"""Scheduled work of the clock loop: digests, reports, incidents, retention."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from service.clock.list_exports import ListExports
from service.domain.order import OrderRef
from service.domain.teams import Team
from service.erasing import erase_order
from service.ledger.access import idempotency
from service.ledger.auditing import lines as audit_lines
from service.ledger.database.transaction import Transaction
from service.ledger.escalations import digests, incident_calls, incidents, schedules
from service.ledger.escalations import writing as escalations
from service.ledger.escalations.schedules import DIGEST, ROWS, ReportSubscription
from service.ledger.lists.writing import delete_abandoned
from service.ledger.messages import outbox
from service.ledger.messages.outbox import OutboxMessage
from service.ledger.orders import inbox, kept_counts, recording
from service.ledger.people.erasing import old_orders
from service.ledger.people.erasing_words import forget_unmatched
from service.orders import Orders

log = structlog.get_logger(__name__)
# How long inbox rows are kept: publishers and brokers repeat events within hours or days, not months.
INBOX_KEPT: Final = timedelta(days=45)
# How long messages of unknown orders are kept for an agent to assign.
UNMATCHED_KEPT: Final = timedelta(days=90)
# How long rows are kept that were stored and never taken: the import was refused, or its process died.
STORED_KEPT: Final = timedelta(hours=2)
# How long figures of reports are kept, in which words of orders may stand that retention has erased since.
COUNTS_KEPT: Final = timedelta(days=1)
RETENTION_BATCH: Final = 200


class CalendarDue:
    """Sends what is scheduled; each sending and its next time are written in one transaction."""

    def __init__(
        self,
        orders: Orders,
        retention: timedelta | None = None,
        audit: timedelta | None = None,
        public_url: str = "",
    ) -> None:
        self._orders = orders
        self._exports = ListExports(orders, public_url)
        self._retention = retention
        self._audit = audit

    async def keep_digests(self) -> None:
        """Create, change or delete the schedules of teams' digests and of list exports, according to the packs."""
        orders = self._orders
        wanted = [t for t in self._teams().values() if orders.team_endpoints.get(t.name)]
        async with orders.ledger.transaction() as tx:
            await schedules.sync_digests(tx, wanted, orders.time.now())
            await schedules.sync_exports(tx, self._exports.planned(), orders.time.now())

    def _teams(self) -> Mapping[str, Team]:
        return {team.name: team for pack in self._orders.packs for team in pack.workflow.teams.values()}

    def _team_of(self, incident: Any) -> Team | None:
        """The team of an incident, by the workflow of its orders; None for a provider's incident."""
        pack = self._orders.packs.find(incident.workflow)
        known = pack.workflow.teams if pack else self._teams()
        return None if incident.provider else known.get(incident.team)

    async def fire_due(self) -> int:
        """Send what is due now; returns how many."""
        orders, now = self._orders, self._orders.time.now()
        async with orders.ledger.transaction() as tx:
            due = await schedules.claim_due(tx, now)
            outgoing: list[OutboxMessage] = []
            for s in due:
                outgoing += await self._content(tx, s)
            again = await incident_calls.call_again(tx, self._team_of, now)
            announced = [*again, *await incidents.flush(tx, self._team_of, now)]
            await escalations.publish(tx, announced, orders.team_endpoints, now)
            await outbox.put(tx, outgoing, now)
        if outgoing or announced:
            orders.wakeups.wake({"relay", "stream"})
        return len(due)

    async def forget_old(self) -> int:
        """Apply retention: people of long-ended orders, old stream lines, inbox rows, idempotency keys."""
        orders, now = self._orders, self._orders.time.now()
        names: list[OrderRef] = []
        async with orders.ledger.transaction() as tx:
            await escalations.delete_old_stream_lines(tx, now)
            await inbox.delete_before(tx, now - INBOX_KEPT)
            await recording.delete_before(tx, now - INBOX_KEPT)
            await idempotency.delete_expired(tx, now)
            await delete_abandoned(tx, now - STORED_KEPT)
            await forget_unmatched(tx, now - (self._retention or UNMATCHED_KEPT))
            if self._retention is not None:
                names = await old_orders(tx, now - self._retention, RETENTION_BATCH)
            await kept_counts.forget_old(tx, now - COUNTS_KEPT)
        for name in names:
            await erase_order(orders, name, None)
        return len(names) + await self._look_after_audit(now)

    async def _look_after_audit(self, now: datetime) -> int:
        """Chain audit lines of older replicas, delete expired ones, and log where the chain ends."""
        orders = self._orders
        async with orders.ledger.transaction() as tx:
            moved = await audit_lines.chain_earlier_lines(tx, now)
            if self._audit is not None:
                moved += await audit_lines.delete_before(tx, now - self._audit)
            stored = await audit_lines.head_of(tx)
        if stored is not None and not moved:
            log.info("audit.head", line=stored[0].seq, digest=stored[0].digest.hex())
        return moved

    async def _content(self, tx: Transaction, s: ReportSubscription) -> list[OutboxMessage]:
        orders, now = self._orders, self._orders.time.now()
        if s.kind == DIGEST:
            team = self._teams().get(s.name)
            endpoints = orders.team_endpoints.get(s.name, 0)
            return await digests.team_digest(tx, team, endpoints, s.id.hex, now) if team else []
        if s.kind == ROWS:
            return await self._exports.mails(tx, s, now)
        pack = orders.packs.find(s.workflow)
        report = pack.workflow.all_reports.get(s.name) if pack else None
        if pack is None or report is None:
            log.warning("report.unknown", workflow=s.workflow, report=s.name)
            return []
        address = s.target["email"]
        return [await digests.report_mail(tx, pack.workflow, report, address, s.id.hex, now)]

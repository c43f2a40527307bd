"""Scheduled list exports: rows added since the last export are mailed to an audience of the order."""

from collections.abc import Iterator
from datetime import datetime, time
from uuid import UUID

from service.domain.calendars import Schedule
from service.domain.lists import ListExport
from service.domain.scopes import EVERYTHING
from service.domain.workflow import Workflow
from service.ledger.database.transaction import Transaction
from service.ledger.escalations import schedules
from service.ledger.escalations.schedules import PlannedExport, ReportSubscription
from service.ledger.lists import exports
from service.ledger.messages.outbox import OutboxMessage
from service.ledger.orders.locking import find_by_id
from service.orders import Orders
from service.workflows.packs import Packs


class ListExports:
    """Sends the exports that packs declare; many orders are processed in portions."""

    def __init__(self, orders: Orders, public_url: str) -> None:
        self._orders = orders
        self._public_url = public_url

    def planned(self) -> list[PlannedExport]:
        """Everything that packs in use want to be sent."""
        return list(_planned(self._orders.packs))

    async def mails(self, tx: Transaction, s: ReportSubscription, now: datetime) -> list[OutboxMessage]:
        """What is to be sent now; what is left of it stays due."""
        name, every, to = s.name.split(".")
        pack = self._orders.packs.find(s.workflow)
        spec = pack.workflow.lists.get(name) if pack else None
        export = next((e for e in spec.exports if (e.every, e.to) == (every, to)), None) if spec else None
        if pack is None or spec is None or export is None:
            return []
        since = datetime.fromisoformat(s.target["since"])
        before = datetime.fromisoformat(s.target.get("before") or now.isoformat())
        after = UUID(s.target["after"]) if s.target.get("after") else None
        ids = await exports.orders_with_new_rows(tx, s.workflow, name, since, before, after)
        found: list[OutboxMessage] = []
        for order_id in ids:
            order = await find_by_id(tx, order_id, scope=EVERYTHING)
            if order is None:
                continue
            workflow = self._orders.packs.for_order(order.workflow, order.version).workflow
            wanted = exports.RowsExport(
                order, workflow, spec, since, before, export.format, f"{s.id.hex}.{before:%Y%m%dT%H%M%S}"
            )
            people = await exports.reachable(tx, workflow, order, to)
            found += await exports.mails(tx, wanted, people, self._public_url, now)
        if len(ids) == exports.ORDERS_AT_ONCE:
            left = {"since": since.isoformat(), "before": before.isoformat(), "after": ids[-1].hex}
            await schedules.reschedule_export(tx, s.id, left, now)
        else:
            await schedules.reschedule_export(tx, s.id, {"since": before.isoformat()}, None)
        return found


def _planned(packs: Packs) -> Iterator[PlannedExport]:
    for pack in packs:
        for name, spec in pack.workflow.lists.items():
            for export in spec.exports:
                yield PlannedExport(
                    pack.workflow.name, f"{name}.{export.every}.{export.to}", _schedule(pack.workflow, export)
                )


def _schedule(workflow: Workflow, export: ListExport) -> Schedule:
    """Mondays, and the first of a month."""
    return Schedule(export.every, time.fromisoformat(export.at), workflow.timezone, 1 if export.every == "month" else 0)

"""New rows of a list by mail: a small table is attached, a large one is linked."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from msgspec import Struct
from sqlalchemy import select

from service.domain.lists import ExportFormat, ListSpec
from service.domain.order import Order
from service.domain.workflow import Workflow
from service.ledger.database.transaction import Transaction
from service.ledger.escalations.digests import sealed_mail
from service.ledger.lists.reading import EXPORTED_AT_ONCE, page
from service.ledger.lists.tables import list_batches
from service.ledger.messages.outbox import OutboxMessage
from service.ledger.messages.suppressions import suppressed
from service.ledger.orders.tables import orders
from service.lists.exporting import CsvWriter
from service.lists.links import LinkedRows, rows_token
from service.report_mail import ReportMail

# Larger tables, and workbooks, are linked, as mail servers limit the size of attachments.
MOST_ATTACHED: Final = 2000
LINK_LIFE: Final = timedelta(days=14)
ORDERS_AT_ONCE: Final = 100


class RowsExport(Struct, frozen=True):
    """Rows of an order's list added in a period. `key` identifies this export, so that its mail is sent once."""

    order: Order
    workflow: Workflow
    spec: ListSpec
    since: datetime
    before: datetime
    format: ExportFormat
    key: str


async def orders_with_new_rows(
    tx: Transaction, workflow: str, name: str, since: datetime, before: datetime, after: UUID | None
) -> Sequence[UUID]:
    """Orders of a workflow with rows added to the list in this period, after the id `after`, by id, some at a time."""
    query = select(list_batches.c.order_id).distinct().join(orders, orders.c.id == list_batches.c.order_id)
    query = query.where(orders.c.workflow == workflow, list_batches.c.list == name)
    query = query.where(list_batches.c.taken_at >= since, list_batches.c.taken_at < before)
    query = query.where(list_batches.c.order_id > after) if after else query
    return (await tx.execute(query.order_by(list_batches.c.order_id).limit(ORDERS_AT_ONCE))).scalars().all()


async def reachable(tx: Transaction, workflow: Workflow, order: Order, audience: str) -> list[str]:
    """Mail addresses of an audience, or of its fallback, without those that opted out."""
    people = order.people(audience) or order.people(workflow.audience_fallback.get(audience, ""))
    addresses = list(dict.fromkeys(p.email for p in people if p.email and p.wants("email")))
    silent = {s.address for s in await suppressed(tx, set(addresses)) if s.channel == "email"}
    return [a for a in addresses if a not in silent]


async def mails(
    tx: Transaction, wanted: RowsExport, to: Collection[str], public_url: str, now: datetime
) -> list[OutboxMessage]:
    """A mail to each of these addresses; none if there are no rows."""
    count, table = await _table(tx, wanted)
    if not count:
        return []
    order, spec = wanted.order, wanted.spec
    title = spec.titles.get(wanted.workflow.default_locale, spec.name.replace("_", " "))
    subject = f"{title} of order {order.reference}: {count} new row{'' if count == 1 else 's'}"
    text = f"{subject}, from {wanted.since:%d %b %Y %H:%M} to {wanted.before:%d %b %Y %H:%M} UTC."
    file_name = ""
    if table:
        text += " The table is attached."
        file_name = f"{spec.name}-{wanted.before:%Y-%m-%d}.csv"
    else:
        rows = LinkedRows(order.id, spec.name, wanted.since, wanted.before, wanted.format)
        token = rows_token(tx.keyring, rows, now + LINK_LIFE)
        text += f"\n\n{public_url}/l/{token}\n\nThe link expires on {now + LINK_LIFE:%d %b %Y}."
    return [
        sealed_mail(
            tx, ReportMail(address, subject, text, file_name, table), f"{wanted.key}.{order.id.hex}.{n}", spec.name
        )
        for n, address in enumerate(to)
    ]


async def _table(tx: Transaction, wanted: RowsExport) -> tuple[int, str]:
    """The number of rows, counted up to what can be attached, and the table if it is to be attached."""
    writer, count, last = CsvWriter(wanted.spec), 0, None
    while count <= MOST_ATTACHED:
        rows = await page(
            tx,
            wanted.order.id,
            wanted.spec.name,
            EXPORTED_AT_ONCE,
            after=last,
            since=wanted.since,
            before=wanted.before,
        )
        writer.add((r.added, r.values) for r in rows)
        count += len(rows)
        if len(rows) < EXPORTED_AT_ONCE:
            break
        last = rows[-1].id
    with writer.finish() as file:
        is_small = count <= MOST_ATTACHED and wanted.format == "csv"
        return count, file.read().decode() if is_small else ""

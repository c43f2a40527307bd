"""The contents of digests and reports: order ids, reasons and times only, no names or addresses."""

from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Select, func, select

from service.domain.reports import PERFORMANCE, Report
from service.domain.scopes import EVERYTHING
from service.domain.teams import Team
from service.domain.workflow import Workflow
from service.events_out import CloudEvent, DigestData
from service.ledger.columns import literal_in
from service.ledger.database.transaction import Transaction
from service.ledger.escalations.tables import escalations
from service.ledger.escalations.writing import TEAMS
from service.ledger.messages.outbox import OutboxMessage
from service.ledger.messages.tables import REPORT_MAIL
from service.ledger.orders.performance import WEEK, performance
from service.ledger.orders.performance_text import performance_csv, performance_text
from service.ledger.orders.search import Search, search
from service.ledger.orders.search_csv import as_csv
from service.ledger.orders.tables import clocks, orders
from service.report_mail import MAIL, ReportMail

NEAR: Final = timedelta(hours=24)
MOST_LINES: Final = 200
MOST_ROWS: Final = 50_000


async def team_digest(tx: Transaction, team: Team, endpoints: int, key: str, now: datetime) -> list[OutboxMessage]:
    """What is open, overdue and near its breach for one team, as one mail or call to each of its endpoints."""
    opened, of = await _open(tx, team.name)
    overdue, near = await _promises(tx, team.name, now)
    lines = [f"{of} open, {overdue.total} overdue, {near.total} near"]
    lines += [*opened, *_more(len(opened), of, "open")]
    for kind, some in (("overdue", overdue), ("near", near)):
        lines += [*(f"{kind}: {line}" for line in some.lines), *_more(len(some.lines), some.total, kind)]
    event = CloudEvent(
        id=f"{key}.{now:%Y%m%dT%H%M}",
        type="digest.team",
        time=now,
        data=DigestData(team=team.name, title=f"{team.title}: daily digest", text="\n".join(lines)),
    )
    encoded = msgspec.json.encode(event)
    return [
        OutboxMessage(TEAMS, f"{team.name}.{endpoint}", f"{event.id}.{endpoint}", encoded)
        for endpoint in range(endpoints)
    ]


class _Some(NamedTuple):
    """The first lines, and the total number."""

    lines: list[str]
    total: int


def _more(shown: int, count: int, kind: str) -> list[str]:
    return [f"and {count - shown} more {kind}"] if count > shown else []


async def _count(tx: Transaction, query: Select[Any]) -> int:
    counted = select(func.count()).select_from(query.order_by(None).subquery())
    return int((await tx.execute(counted)).scalar_one())


async def _open(tx: Transaction, team: str) -> _Some:
    query = (
        select(escalations)
        .where(escalations.c.team == team, ~literal_in(escalations.c.state, "resolved"))
        .order_by(escalations.c.opened_at)
    )
    lines = [
        f"open: {row.order_name} {row.reason} ({row.severity}, {row.state}, since {row.opened_at:%d %b %H:%M} UTC)"
        for row in await tx.execute(query.limit(MOST_LINES))
    ]
    return _Some(lines, await _count(tx, query) if len(lines) == MOST_LINES else len(lines))


async def _promises(tx: Transaction, team: str, now: datetime) -> tuple[_Some, _Some]:
    """Overdue promises, and those that will be within a day."""
    query = (
        select(clocks.c.name, clocks.c.due_at, orders.c.order_id)
        .join(orders, orders.c.id == clocks.c.order_id)
        .where(clocks.c.team == team, literal_in(clocks.c.state, "running"))
        .order_by(clocks.c.due_at)
    )
    found = []
    for where in (clocks.c.due_at <= now, (clocks.c.due_at > now) & (clocks.c.due_at <= now + NEAR)):
        lines = [
            f"{row.order_id} {row.name} (due {row.due_at:%d %b %H:%M} UTC)"
            for row in await tx.execute(query.where(where).limit(MOST_LINES))
        ]
        found.append(_Some(lines, await _count(tx, query.where(where)) if len(lines) == MOST_LINES else len(lines)))
    return found[0], found[1]


async def report_mail(
    tx: Transaction,
    workflow: Workflow,
    report: Report,
    address: str,
    key: str,
    now: datetime,
) -> OutboxMessage:
    """A report as a mail with its CSV file, sealed."""
    make_mail = _performance if report is PERFORMANCE else _orders
    mail = await make_mail(tx, workflow, report, address, now)
    return sealed_mail(tx, mail, f"{key}.{now:%Y%m%dT%H%M%S}", report.name)


async def _performance(tx: Transaction, workflow: Workflow, report: Report, address: str, now: datetime) -> ReportMail:
    m = await performance(tx, workflow, now - WEEK, now, scope=EVERYTHING)
    return ReportMail(
        address=address,
        subject=f"{workflow.title}: {report.title.lower()}, {now:%d %b %Y}",
        text=performance_text(m, workflow),
        file_name=f"{workflow.name}-{report.name}-{now:%Y-%m-%d}.csv",
        file=performance_csv(m, named=False),
    )


async def _orders(tx: Transaction, workflow: Workflow, report: Report, address: str, now: datetime) -> ReportMail:
    wanted = Search(
        workflow=workflow.name,
        statuses=tuple(sorted(report.statuses)),
        open_only=report.open_only,
        stuck_for=report.stuck_for,
        sort="submitted",
        limit=MOST_ROWS,
    )
    rows, _ = await search(tx, wanted, now, scope=EVERYTHING)
    return ReportMail(
        address=address,
        subject=f"{report.title}: {len(rows)} orders",
        text=f"{report.title}\n\n{len(rows)} orders as of {now:%d %b %Y %H:%M} UTC. The list is attached.",
        file_name=f"{workflow.name}-{report.name}-{now:%Y-%m-%d}.csv",
        file=as_csv(rows, now),
    )


def sealed_mail(tx: Transaction, mail: ReportMail, message_id: str, name: str) -> OutboxMessage:
    """A mail for the outbox; `name`: the report's."""
    # An older replica, which may send it, can read only what it could have sealed itself.
    seal = tx.keyring.seal_in_transit if tx.keyring.writes_bound else tx.keyring.seal
    sealed = seal(msgspec.json.encode(mail), REPORT_MAIL.of(message_id))
    return OutboxMessage(MAIL, f"report.{name}", message_id, sealed, "application/octet-stream")

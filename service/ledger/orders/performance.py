"""Performance of clocks, assignees and teams, worst first."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from statistics import fmean, quantiles
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, case, func, select

from service.domain.clocks.kinds import KINDS
from service.domain.reports import Measure
from service.domain.scopes import Scope
from service.domain.workflow import Workflow
from service.ledger.columns import literal_in
from service.ledger.database.transaction import Transaction
from service.ledger.escalations.tables import escalations
from service.ledger.orders.performance_models import (
    AssigneePerformance,
    PerformanceMetrics,
    PromiseOutcomes,
    PromisePerformance,
    TeamPerformance,
)
from service.ledger.orders.records import UNREADABLE, order_of
from service.ledger.orders.scoping import of_order, of_team
from service.ledger.orders.tables import clocks, measurements, orders, visits
from service.pacing import aside

WEEK: Final = timedelta(days=7)
MOST_ASSIGNEES: Final = 200
MOST_TIMES: Final = 100_000
WORST_ORDERS: Final = 5


async def performance(
    tx: Transaction, workflow: Workflow, since: datetime, now: datetime, *, scope: Scope
) -> PerformanceMetrics:
    """Performance for promises, orders and escalations that began since then; promises compare the last two weeks."""
    promised = [name for name, c in workflow.clocks.items() if KINDS[c.kind].is_promise]
    return PerformanceMetrics(
        workflow=workflow.name,
        since=since,
        counted_at=now,
        promises=await _promises(tx, workflow, promised, now, scope),
        assignees=await _assignees(tx, workflow, promised, since, scope),
        teams=await _teams(tx, workflow, since, scope),
    )


def kept_of(kept: int, broken: int) -> PromiseOutcomes:
    """Numbers of promises kept and broken, with the share kept in percent."""
    return PromiseOutcomes(kept, broken, 100 * kept / (kept + broken) if kept + broken else None)


async def _promises(
    tx: Transaction, workflow: Workflow, promised: Sequence[str], now: datetime, scope: Scope
) -> list[PromisePerformance]:
    is_now = case((clocks.c.started_at >= now - WEEK, 1), else_=0)
    query = (
        select(clocks.c.name, is_now.label("is_now"), clocks.c.state, func.count())
        .where(
            clocks.c.workflow == workflow.name,
            clocks.c.started_at >= now - 2 * WEEK,
            literal_in(clocks.c.state, "met", "breached"),
            clocks.c.name.in_(promised),
            *of_order(tx, scope, clocks.c.order_id, clocks.c.workflow),
        )
        .group_by(clocks.c.name, is_now, clocks.c.state)
    )
    counted: dict[tuple[str, int, str], int] = {(r[0], r[1], r[2]): r[3] for r in await tx.execute(query)}
    found = []
    for name in promised:
        spec = workflow.clocks[name]
        this, last = (
            kept_of(counted.get((name, week, "met"), 0), counted.get((name, week, "breached"), 0)) for week in (1, 0)
        )
        if this.share is None and last.share is None:
            continue
        change = None if this.share is None or last.share is None else this.share - last.share
        team = workflow.reasons[spec.escalate.reason].team if spec.escalate else ""
        found.append(PromisePerformance(name, spec.notice or "", team, this, last, change))
    return sorted(found, key=lambda p: (p.now.share if p.now.share is not None else 101, -p.now.broken))


async def _assignees(
    tx: Transaction, workflow: Workflow, promised: Sequence[str], since: datetime, scope: Scope
) -> list[AssigneePerformance]:
    rows = await _promises_by_assignee(tx, workflow, promised, since, scope)
    ids = [row.assignee_id for row in rows]
    measured = await _measured(tx, workflow, ids, since, scope)
    worst = await _worst(tx, workflow, promised, ids, since, scope)
    found = []
    for row in rows:
        names, name = worst.get(row.assignee_id, ([], ""))
        found.append(
            AssigneePerformance(
                assignee=row.assignee_id,
                name=name or await _name(tx, workflow, row.assignee_id, scope),
                orders=row.orders,
                kept=row.all - row.broken,
                broken=row.broken,
                late_share=100 * row.broken / row.all if row.all else None,
                measures=measured.get(row.assignee_id, {}),
                worst=names,
            )
        )
    return sorted(found, key=lambda a: (-(a.late_share or 0), -a.broken, a.assignee))


async def _promises_by_assignee(
    tx: Transaction, workflow: Workflow, promised: Sequence[str], since: datetime, scope: Scope
) -> Sequence[Row[Any]]:
    """By assignee: the number of `orders`, `all` promises about them, and those `broken`; most broken first."""
    broken = func.sum(case((clocks.c.state == "breached", 1), else_=0))
    query = (
        select(
            orders.c.assignee_id,
            func.count(clocks.c.order_id.distinct()).label("orders"),
            func.count().label("all"),
            broken.label("broken"),
        )
        .join(orders, orders.c.id == clocks.c.order_id)
        .where(
            clocks.c.workflow == workflow.name,
            clocks.c.started_at >= since,
            literal_in(clocks.c.state, "met", "breached"),
            clocks.c.name.in_(promised),
            orders.c.assignee_id != "",
            *of_order(tx, scope, orders.c.id, orders.c.workflow),
        )
        .group_by(orders.c.assignee_id)
        .order_by(broken.desc(), orders.c.assignee_id)
        .limit(MOST_ASSIGNEES)
    )
    return (await tx.execute(query)).all()


async def _measured(
    tx: Transaction, workflow: Workflow, ids: Sequence[str], since: datetime, scope: Scope
) -> Mapping[str, dict[str, float | None]]:
    """The pack's measures, such as a rating, acceptance or time to arrival, by the order's present assignee."""
    if not ids:
        return {}
    query = (
        select(orders.c.assignee_id, measurements.c.measure, func.avg(measurements.c.value))
        .join(orders, orders.c.id == measurements.c.order_id)
        .where(*_of_assignees(tx, measurements.c, workflow, ids, since, scope))
        .group_by(orders.c.assignee_id, measurements.c.measure)
    )
    names = [m.name for m in workflow.measures.values() if m.kind != "count"]
    found: dict[str, dict[str, float | None]] = {i: dict.fromkeys(names) for i in ids}
    for assignee, measure, value in (await tx.execute(query)).all():
        if measure in found[assignee]:
            found[assignee][measure] = float(value)
    for (assignee, measure), value in (await _of_lives(tx, workflow, ids, since, scope)).items():
        found[assignee][measure] = value
    return found


async def _of_lives(
    tx: Transaction, workflow: Workflow, ids: Sequence[str], since: datetime, scope: Scope
) -> dict[tuple[str, str], float]:
    """Rates in percent and times in seconds by assignee and measure, from when their orders first entered statuses."""
    wanted = [m for m in workflow.measures.values() if m.kind in ("rate", "time")]
    if not wanted:
        return {}
    query = (
        select(orders.c.assignee_id, *(_entered(side) for m in wanted for side in (m.start, m.end)))
        .join(orders, orders.c.id == visits.c.order_id)
        .where(*_of_assignees(tx, visits.c, workflow, ids, since, scope))
        .group_by(orders.c.assignee_id, visits.c.order_id)
        .limit(MOST_TIMES)
    )
    rows = (await tx.execute(query)).all()
    return await aside(partial(_averaged, wanted, rows))


def _of_assignees(
    tx: Transaction, moments: Any, workflow: Workflow, ids: Sequence[str], since: datetime, scope: Scope
) -> list[ColumnElement[bool]]:
    """Conditions on rows with a time (`at`) since then, of orders of these assignees. `moments`: a table's columns."""
    return [
        moments.workflow == workflow.name,
        moments.at >= since,
        orders.c.assignee_id.in_(list(ids)),
        *of_order(tx, scope, orders.c.id, orders.c.workflow),
    ]


def _entered(statuses: Sequence[str]) -> ColumnElement[datetime]:
    """When an order first entered one of these statuses."""
    return func.min(case((visits.c.status.in_(statuses), visits.c.at), else_=None))


def _averaged(wanted: Sequence[Measure], rows: Sequence[Any]) -> dict[tuple[str, str], float]:
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    for assignee, *moments in rows:
        for m, start, end in zip(wanted, moments[::2], moments[1::2], strict=True):
            if start is None:
                continue
            if m.kind == "rate":
                values[assignee, m.name].append(0.0 if end is None else 100.0)
            elif end is not None and end >= start:
                values[assignee, m.name].append((end - start).total_seconds())
    return {key: fmean(some) for key, some in values.items()}


async def _worst(
    tx: Transaction, workflow: Workflow, promised: Sequence[str], ids: Sequence[str], since: datetime, scope: Scope
) -> dict[str, tuple[list[str], str]]:
    """By assignee, the ids of their orders with most broken promises, and their name."""
    if not ids:
        return {}
    broken = func.count().label("broken")
    query = (
        select(orders.c.id, orders.c.order_id, orders.c.assignee_id, orders.c.sealed_state, broken)
        .join(orders, orders.c.id == clocks.c.order_id)
        .where(
            clocks.c.workflow == workflow.name,
            clocks.c.started_at >= since,
            literal_in(clocks.c.state, "breached"),
            clocks.c.name.in_(promised),
            orders.c.assignee_id.in_(list(ids)),
            *of_order(tx, scope, orders.c.id, orders.c.workflow),
        )
        .group_by(orders.c.id)
        .order_by(broken.desc(), orders.c.id.desc())
        .limit(MOST_ASSIGNEES * WORST_ORDERS)
    )
    found: dict[str, tuple[list[str], str]] = {}
    for row in await tx.execute(query):
        names, name = found.get(row.assignee_id, ([], ""))
        if len(names) < WORST_ORDERS:
            found[row.assignee_id] = ([*names, row.order_id], name or _name_in(tx, row))
    return found


async def _name(tx: Transaction, workflow: Workflow, assignee: str, scope: Scope) -> str:
    query = select(orders.c.id, orders.c.sealed_state).where(
        orders.c.workflow == workflow.name,
        orders.c.assignee_id == assignee,
        *of_order(tx, scope, orders.c.id, orders.c.workflow),
    )
    row = (await tx.execute(query.order_by(orders.c.updated_at.desc()).limit(1))).one_or_none()
    return _name_in(tx, row) if row else ""


def _name_in(tx: Transaction, row: Any) -> str:
    try:
        order = order_of(tx.keyring, row)
    except UNREADABLE:
        return ""
    return order.assignee.name if order.assignee else ""


async def _teams(tx: Transaction, workflow: Workflow, since: datetime, scope: Scope) -> list[TeamPerformance]:
    query = (
        select(escalations.c.team, escalations.c.state, escalations.c.opened_at, escalations.c.acknowledged_at)
        .where(escalations.c.workflow == workflow.name, escalations.c.opened_at >= since)
        .where(*of_team(tx, scope, escalations.c))
        .order_by(escalations.c.opened_at.desc())
        .limit(MOST_TIMES)
    )
    opened: dict[str, int] = defaultdict(int)
    resolved: dict[str, int] = defaultdict(int)
    waits: dict[str, list[float]] = defaultdict(list)
    for team, state, at, taken in await tx.execute(query):
        opened[team] += 1
        resolved[team] += state == "resolved"
        if taken is not None:
            waits[team].append(max(0.0, (taken - at).total_seconds()))
    found = []
    for team in sorted(opened):
        times = sorted(waits[team])
        cuts = quantiles(times, n=10, method="inclusive") if len(times) > 1 else times * 9
        median, most = (cuts[4], cuts[8]) if cuts else (None, None)
        found.append(TeamPerformance(team, opened[team], len(times), resolved[team], median, most))
    return sorted(found, key=lambda t: -(t.acknowledge_median_s or 0))

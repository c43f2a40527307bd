"""Performance of promises, of the people who handle orders, and of teams; worst first."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import quantiles
from typing import Final

from sqlalchemy import case, func, select

from service.domain.clocks.kinds import KINDS
from service.domain.scopes import Scope
from service.domain.workflow import Workflow
from service.ledger.columns import literal_in
from service.ledger.database.transaction import Transaction
from service.ledger.escalations.tables import escalations
from service.ledger.orders.performance_models import (
    PerformanceMetrics,
    PromiseOutcomes,
    PromisePerformance,
    TeamPerformance,
)
from service.ledger.orders.performance_people import MOST_TIMES, assignees, parties
from service.ledger.orders.scoping import of_order, of_team
from service.ledger.orders.tables import clocks

WEEK: Final = timedelta(days=7)


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
        assignees=await assignees(tx, workflow, promised, since, scope),
        teams=await _teams(tx, workflow, since, scope),
        parties=await parties(tx, workflow, promised, since, scope),
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

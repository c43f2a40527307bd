"""Measures of a workflow: the pack's rates and times, time in each stage, promises kept by week.

Computed from visits, measurements and clocks, which contain no personal data and survive erasure.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from functools import partial
from operator import attrgetter
from statistics import fmean, quantiles
from typing import Final
from uuid import UUID

from msgspec import Struct, structs
from sqlalchemy import case, func, select, tuple_

from service.domain.clocks.kinds import KINDS
from service.domain.control_characters import one_line
from service.domain.reports import Measure
from service.domain.scopes import Scope
from service.domain.workflow import Workflow
from service.ledger.columns import literal_in
from service.ledger.database.transaction import Transaction
from service.ledger.orders.performance_models import (
    LifecycleMetrics,
    MeasureShown,
    Percentiles,
    PromiseWeek,
    Slow,
    StageTimes,
    ValueCount,
)
from service.ledger.orders.records import order_of
from service.ledger.orders.scoping import of_order
from service.ledger.orders.tables import clocks, measurements, orders, visits
from service.pacing import aside

MOST_VISITS: Final = 500_000
# Few enough that nobody waits for long while they are taken from the answer.
VISITS_AT_ONCE: Final = 1_000
WEEK: Final = timedelta(days=7)
MOST_WEEKS: Final = 520
MOST_OUTLIERS: Final = 5
MOST_VALUES: Final = 50
LONGEST_VALUE: Final = 80
AT_ONCE: Final = 500
# Tukey's fence: an outlier is above the upper quartile by more than 1.5 times the interquartile range.
FENCE: Final = 1.5


class _Visit(Struct, frozen=True, gc=False):
    n: int
    status: str
    stage: str
    at: datetime


async def lifecycle_measures(
    tx: Transaction, workflow: Workflow, since: datetime, now: datetime, *, scope: Scope
) -> LifecycleMetrics:
    """All measures of the orders with a status change since then."""
    lives = await _lives(tx, workflow.name, since, scope)
    theirs = of_order(tx, scope, orders.c.id, orders.c.workflow)
    counted = await tx.execute(
        select(orders.c.status, func.count())
        .where(orders.c.workflow == workflow.name, *theirs)
        .group_by(orders.c.status)
    )
    by_status = {row[0]: int(row[1]) for row in counted}
    averages = await _averages(tx, workflow.name, since, scope)
    return LifecycleMetrics(
        workflow=workflow.name,
        since=since,
        counted_at=now,
        orders=len(lives),
        by_status=by_status,
        measures=[
            await _counted(tx, m, lives) if m.kind == "count" else await aside(partial(_measured, m, lives, averages))
            for m in workflow.measures.values()
        ],
        stages=await _stages(tx, workflow, lives),
        promises=await _promises(tx, workflow, since, now, scope),
    )


async def _lives(tx: Transaction, workflow: str, since: datetime, scope: Scope) -> dict[UUID, list[_Visit]]:
    """Visits by order; read in parts by the index on time, newest first, so that other tasks can run in between."""
    place = (visits.c.at, visits.c.order_id, visits.c.n)
    query = (
        select(visits.c.order_id, visits.c.n, visits.c.status, visits.c.stage, visits.c.at)
        .where(visits.c.workflow == workflow, visits.c.at >= since)
        .where(*of_order(tx, scope, visits.c.order_id, visits.c.workflow))
        .order_by(*(column.desc() for column in place))
        .limit(VISITS_AT_ONCE)
    )
    lives: dict[UUID, list[_Visit]] = defaultdict(list)
    part = (await tx.execute(query)).all()
    count = len(part)
    while part:
        for order_id, n, status, stage, at in part:
            lives[order_id].append(_Visit(n, status, stage, at))
        if len(part) < VISITS_AT_ONCE or count >= MOST_VISITS:
            break
        last = part[-1]
        beyond = tuple_(*place) < tuple_(last.at, last.order_id, last.n)
        part = (await tx.execute(query.where(visits.c.at <= last.at, beyond))).all()
        count += len(part)
    await aside(partial(_in_turn, lives))
    return lives


def _in_turn(lives: Mapping[UUID, list[_Visit]]) -> None:
    """Sort the visits of each order."""
    for life in lives.values():
        life.sort(key=attrgetter("n"))


async def _averages(tx: Transaction, workflow: str, since: datetime, scope: Scope) -> dict[str, tuple[float, int]]:
    query = (
        select(measurements.c.measure, func.avg(measurements.c.value), func.count())
        .where(measurements.c.workflow == workflow, measurements.c.at >= since)
        .where(*of_order(tx, scope, measurements.c.order_id, measurements.c.workflow))
        .group_by(measurements.c.measure)
    )
    return {row[0]: (float(row[1]), int(row[2])) for row in await tx.execute(query)}


def _measured(
    m: Measure, lives: Mapping[UUID, list[_Visit]], averages: Mapping[str, tuple[float, int]]
) -> MeasureShown:
    value: float | None = None
    count = 0
    spread = Percentiles()
    if m.kind == "average":
        value, count = averages.get(m.name, (None, 0))
    elif m.kind == "rate":
        entered = [{v.status for v in life} for life in lives.values()]
        relevant = [s for s in entered if not s.isdisjoint(m.start)]
        count = len(relevant)
        value = 100 * sum(not s.isdisjoint(m.end) for s in relevant) / count if count else None
    else:
        times = [t for life in lives.values() if (t := _time_between(life, m)) is not None]
        count = len(times)
        value = fmean(times) if times else None
        spread = _percentiles(times)
    kept = None if value is None or m.goal is None else (value >= m.goal if m.at_least else value <= m.goal)
    return MeasureShown(
        **structs.asdict(spread),
        name=m.name,
        title=m.title,
        kind=m.kind,
        value=value,
        count=count,
        goal=m.goal,
        at_least=m.at_least,
        goal_kept=kept,
    )


async def _counted(tx: Transaction, m: Measure, lives: Mapping[UUID, list[_Visit]]) -> MeasureShown:
    """How often each value occurs in the present orders, most frequent first; erased values are not counted."""
    entered = [order_id for order_id, life in lives.items() if any(v.status in m.start for v in life)]
    values: Counter[str] = Counter()
    for begin in range(0, len(entered), AT_ONCE):
        part = select(orders.c.id, orders.c.sealed_state).where(orders.c.id.in_(entered[begin : begin + AT_ONCE]))
        for row in await tx.execute(part):
            value = order_of(tx.keyring, row).value(m.path)
            values[one_line(str(value))[:LONGEST_VALUE] if value not in (None, "") else ""] += 1
    counted = [ValueCount(value, n) for value, n in values.most_common(MOST_VALUES)]
    return MeasureShown(
        name=m.name,
        title=m.title,
        kind=m.kind,
        value=None,
        count=len(entered),
        goal=None,
        at_least=m.at_least,
        goal_kept=None,
        values=counted,
    )


def _time_between(life: Sequence[_Visit], m: Measure) -> float | None:
    begun = next((v.at for v in life if v.status in m.start), None)
    if begun is None:
        return None
    ended = next((v.at for v in life if v.status in m.end and v.at >= begun), None)
    return (ended - begun).total_seconds() if ended else None


def _percentiles(times: Sequence[float]) -> Percentiles:
    if not times:
        return Percentiles()
    if len(times) == 1:
        return Percentiles(times[0], times[0], times[0])
    cuts = quantiles(times, n=100, method="inclusive")
    return Percentiles(cuts[49], cuts[89], cuts[98])


async def _stages(tx: Transaction, workflow: Workflow, lives: Mapping[UUID, list[_Visit]]) -> list[StageTimes]:
    """Time in each stage: from entering it to entering another one, in seconds."""
    spent = await aside(partial(_spent, lives))
    found = []
    for stage in workflow.stages.values():
        times = spent.get(stage.name, [])
        spread, slow = await aside(partial(_spread_of, times))
        names = await _names(tx, [o for _, o in slow[:MOST_OUTLIERS]])
        found.append(
            StageTimes(
                stage=stage.name,
                title=stage.titles.get(workflow.default_locale, stage.name),
                count=len(times),
                **structs.asdict(spread),
                outliers=len(slow),
                slowest=[Slow(names.get(o, ""), t) for t, o in slow[:MOST_OUTLIERS]],
            )
        )
    return found


def _spread_of(times: list[tuple[float, UUID]]) -> tuple[Percentiles, list[tuple[float, UUID]]]:
    """The percentiles of these, and those beyond the fence, the longest first."""
    times.sort()
    seconds = [t for t, _ in times]
    fence = _fence(seconds)
    return _percentiles(seconds), [pair for pair in reversed(times) if pair[0] > fence]


def _spent(lives: Mapping[UUID, list[_Visit]]) -> dict[str, list[tuple[float, UUID]]]:
    """By stage, the time in seconds that each order spent in it."""
    spent: dict[str, list[tuple[float, UUID]]] = defaultdict(list)
    for order_id, life in lives.items():
        since: _Visit | None = None
        for visit in life:
            if since is not None and visit.stage != since.stage:
                spent[since.stage].append(((visit.at - since.at).total_seconds(), order_id))
            if since is None or visit.stage != since.stage:
                since = visit
    return spent


def _fence(seconds: Sequence[float]) -> float:
    if len(seconds) < 4:
        return float("inf")
    low, _, high = quantiles(seconds, n=4, method="inclusive")
    return high + FENCE * (high - low)


async def _names(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, str]:
    if not ids:
        return {}
    rows = await tx.execute(select(orders.c.id, orders.c.order_id).where(orders.c.id.in_(ids)))
    return {row.id: row.order_id for row in rows}


async def _promises(
    tx: Transaction, workflow: Workflow, since: datetime, now: datetime, scope: Scope
) -> list[PromiseWeek]:
    """Promises kept and broken by clock and ISO week (UTC), of at most `MOST_WEEKS` weeks."""
    since = max(since, now - MOST_WEEKS * WEEK)
    monday = datetime.combine(since.date() - timedelta(days=since.weekday()), time(), UTC)
    weeks = [monday + n * WEEK for n in range((now - monday) // WEEK + 1)]
    which = case(*((clocks.c.started_at < end, n) for n, end in enumerate(weeks[1:])), else_=len(weeks) - 1)
    query = (
        select(clocks.c.name, clocks.c.state, which.label("week"), func.count())
        .where(
            clocks.c.workflow == workflow.name,
            clocks.c.started_at >= since,
            literal_in(clocks.c.state, "met", "breached"),
            *of_order(tx, scope, clocks.c.order_id, clocks.c.workflow),
        )
        .group_by(clocks.c.name, clocks.c.state, which)
    )
    counted: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for name, state, n, count in await tx.execute(query):
        year, number, _ = weeks[n].isocalendar()
        counted[name, f"{year}-W{number:02d}"][state == "breached"] += count
    found = []
    for (name, week), (kept, broken) in sorted(counted.items()):
        spec = workflow.clocks.get(name)
        if spec is None or not KINDS[spec.kind].is_promise:
            continue
        share = 100 * kept / (kept + broken)
        found.append(PromiseWeek(name, spec.notice or "", week, kept, broken, share))
    return found

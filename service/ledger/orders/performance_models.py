"""What is shown of how workflows, assignees and teams do: by the API, the desk and reports alike. Times are UTC."""

from datetime import datetime

from msgspec import Struct


class Percentiles(Struct, frozen=True, omit_defaults=True):
    """Percentiles in seconds; None where there is nothing to measure."""

    p50: float | None = None
    p90: float | None = None
    p99: float | None = None


class ValueCount(Struct, frozen=True):
    """How many orders have this value; empty: not given."""

    value: str
    count: int


class MeasureShown(Percentiles, frozen=True, kw_only=True):
    """A measure of the pack. `value`: per cent of a rate, seconds of a time, None where there is none yet.

    `count`: of how many orders; `values`: of a measure of the kind count, the most frequent first.
    """

    name: str
    title: str
    kind: str
    value: float | None
    count: int
    goal: float | None
    at_least: bool
    goal_kept: bool | None
    values: list[ValueCount] | None = None


class Slow(Struct, frozen=True):
    """An order that was longer in a stage than most."""

    order_id: str
    seconds: float


class StageTimes(Percentiles, frozen=True, kw_only=True):
    """Time in a stage. `count`: orders that left it; `outliers`: beyond Tukey's fence, `slowest` the first of them."""

    stage: str
    title: str
    count: int
    outliers: int
    slowest: list[Slow]


class PromiseWeek(Struct, frozen=True):
    """Promises of a clock that began in an ISO week. `share`: per cent that were kept."""

    clock: str
    notice: str
    week: str
    kept: int
    broken: int
    share: float


class Kept(Struct, frozen=True):
    """Promises kept and broken. `share`: of those kept, in percent; null where there was none."""

    kept: int
    broken: int
    share: float | None


class PromisePerformance(Struct, frozen=True):
    """One clock's promises in the last seven days and the seven before. `change`: of the share, in percent points."""

    clock: str
    notice: str
    team: str
    now: Kept
    before: Kept
    change: float | None


class AssigneePerformance(Struct, frozen=True):
    """Whoever handled orders: promises about them, and the pack's measures. `worst`: their orders with most broken.

    `late_share`: of the promises that were broken, in percent. `measures`: by name; null where nothing was measured.
    """

    assignee: str
    name: str
    orders: int
    kept: int
    broken: int
    late_share: float | None
    measures: dict[str, float | None]
    worst: list[str]


class TeamPerformance(Struct, frozen=True):
    """A team's escalations, and the seconds from opening to somebody taking it: half took less than the median."""

    team: str
    opened: int
    acknowledged: int
    resolved: int
    acknowledge_median_s: float | None
    acknowledge_p90_s: float | None


class PerformanceMetrics(Struct, frozen=True):
    """How a workflow did since then, the worst first."""

    workflow: str
    since: datetime
    promises: list[PromisePerformance]
    assignees: list[AssigneePerformance]
    teams: list[TeamPerformance]


class LifecycleMetrics(Struct, frozen=True):
    """What the pack measures, time in each stage, and promises kept, of orders that moved since then."""

    workflow: str
    since: datetime
    orders: int
    by_status: dict[str, int]
    measures: list[MeasureShown]
    stages: list[StageTimes]
    promises: list[PromiseWeek]

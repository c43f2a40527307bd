"""Measures and performance as the API, the desk and reports show them. Times are UTC."""

from datetime import datetime

from msgspec import Struct


class Percentiles(Struct, frozen=True, omit_defaults=True):
    """Percentiles in seconds; None if there are no values."""

    p50: float | None = None
    p90: float | None = None
    p99: float | None = None


class ValueCount(Struct, frozen=True):
    """The number of orders with a value; an empty value: not given."""

    value: str
    count: int


class MeasureShown(Percentiles, frozen=True, kw_only=True):
    """A measure of the pack. `value`: percent for a rate, seconds for a time, None without data.

    `count`: the number of orders; `values`: for a measure of kind `count`, most frequent first.
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
    """An order that was in a stage for unusually long."""

    order_id: str
    seconds: float


class StageTimes(Percentiles, frozen=True, kw_only=True):
    """Time in a stage. `count`: orders that left it; `outliers`: beyond Tukey's fence; `slowest`: some of them."""

    stage: str
    title: str
    count: int
    outliers: int
    slowest: list[Slow]


class PromiseWeek(Struct, frozen=True):
    """Promises of a clock that began in an ISO week. `share`: percent kept."""

    clock: str
    notice: str
    week: str
    kept: int
    broken: int
    share: float


class PromiseOutcomes(Struct, frozen=True):
    """Promises kept and broken. `share`: percent kept; null without promises."""

    kept: int
    broken: int
    share: float | None


class PromisePerformance(Struct, frozen=True):
    """A clock's promises in the last seven days and the seven before. `change`: of the share, in percentage points."""

    clock: str
    notice: str
    team: str
    now: PromiseOutcomes
    before: PromiseOutcomes
    change: float | None


class FiguresOfOrders(Struct, frozen=True, kw_only=True):
    """Promises on somebody's orders, and the pack's measures. `worst`: their orders with most broken promises.

    `late_share`: percent of promises broken. `measures`: by name; null if nothing was measured.
    """

    orders: int
    kept: int
    broken: int
    late_share: float | None
    measures: dict[str, float | None]
    worst: list[str]


class AssigneePerformance(FiguresOfOrders, frozen=True, kw_only=True):
    """An assignee, by their orders."""

    assignee: str
    name: str


class PartyPerformance(FiguresOfOrders, frozen=True, kw_only=True):
    """Somebody of an audience, such as a provider, by all orders that have them in it."""

    audience: str
    id: str
    name: str


class TeamPerformance(Struct, frozen=True):
    """A team's escalations, and the median and 90th percentile of the time to acknowledge, in seconds."""

    team: str
    opened: int
    acknowledged: int
    resolved: int
    acknowledge_median_s: float | None
    acknowledge_p90_s: float | None


class PerformanceMetrics(Struct, frozen=True):
    """A workflow's performance since then, worst first.

    `counted_at`: figures that take long are kept for a while.
    """

    workflow: str
    since: datetime
    counted_at: datetime
    promises: list[PromisePerformance]
    assignees: list[AssigneePerformance]
    teams: list[TeamPerformance]
    parties: list[PartyPerformance] = []


class LifecycleMetrics(Struct, frozen=True):
    """A workflow's measures, times in stages and promises, for orders with a status change since then.

    `counted_at`: figures that take long are kept for a while.
    """

    workflow: str
    since: datetime
    counted_at: datetime
    orders: int
    by_status: dict[str, int]
    measures: list[MeasureShown]
    stages: list[StageTimes]
    promises: list[PromiseWeek]

"""Reports that people subscribe to, and measures, as a pack declares them. Frozen data only."""

from datetime import timedelta
from typing import Final, Literal

from msgspec import Struct

from service.domain.calendars import Every

MeasureKind = Literal["rate", "time", "average", "count"]


class Report(Struct, frozen=True):
    """A list of orders that people subscribe to; `stuck_for`: only those so long in one status."""

    name: str
    title: str
    statuses: frozenset[str] = frozenset()
    stuck_for: timedelta | None = None
    open_only: bool = False
    every: tuple[Every, ...] = ("day", "week", "month")
    at: str = "08:00"


# The report that every workflow has, besides its pack's: promises, assignees, teams.
PERFORMANCE: Final = Report("performance", "How promises were kept", every=("week", "month"))


class Measure(Struct, frozen=True):
    """A figure that the business watches.

    *rate*: of the orders that entered `start`, the share that entered `end`. *time*: from first entering
    `start` to first entering `end`, in seconds. *average*: of the number at `path`. *count*: how many of
    the orders that entered `start` have which value at `path`. `goal` is in percent, seconds or the number's own unit;
    `at_least` says which side of it is good.
    """

    name: str
    kind: MeasureKind
    title: str
    start: tuple[str, ...] = ()
    end: tuple[str, ...] = ()
    path: str = ""
    goal: float | None = None
    at_least: bool = True

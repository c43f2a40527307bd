"""Working time, quiet hours and schedules, in local time. Pure.

Instants in and out are UTC. An ambiguous local time is the first of the two; one skipped by daylight saving is
moved on by the length of the gap (PEP 495, `fold=0`).
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

Every = Literal["day", "week", "month"]
MAX_DAYS: Final = 4000
WEEKS_COUNTED: Final = 520
_DAY: Final = timedelta(days=1)
_DAY_MINUTES: Final = 24 * 60
Spans = tuple[tuple[int, int], ...]


class Calendar(Struct, frozen=True):
    """When a business works: its spans on each weekday (Monday first), and those of `special` days in their stead.

    A span is from minute to minute of its day; one that ends beyond 24:00 (1440) goes on into the next day, whatever
    that day is. A day of `special` without spans is closed, such as a holiday.
    `zone_from`: the path of an order's own zone, which comes before `timezone`.
    """

    timezone: str
    week: tuple[Spans, ...]
    special: Mapping[date, Spans] = {}
    zone_from: str = ""

    @property
    def day_length(self) -> timedelta:
        """Working time of one working day: the mean of the weekdays that have any."""
        lengths = [sum(end - begin for begin, end in spans) for spans in self.week if spans]
        return timedelta(minutes=sum(lengths) / len(lengths)) if lengths else timedelta(0)

    @property
    def reach(self) -> timedelta:
        """The longest working time that is counted: ten years of it, less some months for days off."""
        week = sum(end - begin for spans in self.week for begin, end in spans)
        return timedelta(minutes=week * WEEKS_COUNTED)

    def spans_on(self, day: date) -> Spans:
        """The spans that begin on `day`."""
        return self.special.get(day, self.week[day.weekday()])


class QuietHours(Struct, frozen=True):
    """Local times between which people are not disturbed; the span may pass midnight."""

    start: time
    end: time


class Schedule(Struct, frozen=True):
    """Every day, week or month at a local time. `day`: weekday (Monday is 0), or day of the month from 1."""

    every: Every
    at: time
    timezone: str
    day: int = 0


@lru_cache(maxsize=512)
def zone_of(name: str, fallback: str = "UTC") -> ZoneInfo:
    """The zone called `name`, or `fallback` when that is unknown."""
    try:
        return ZoneInfo(name or fallback)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo(fallback)


def is_zone(name: object) -> bool:
    """Whether `name` is a known time zone (IANA)."""
    return isinstance(name, str) and bool(name) and (name == "UTC" or zone_of(name).key == name)


def local_instant(day: date, at: time, timezone: str) -> datetime:
    """The UTC moment of a local time."""
    return datetime.combine(day, at, tzinfo=zone_of(timezone)).astimezone(UTC)


def add_working(calendar: Calendar, start: datetime, amount: timedelta) -> datetime:
    """The moment at which `amount` of working time has passed since `start`; raises ValueError if never."""
    left = amount
    day = start.astimezone(zone_of(calendar.timezone)).date()
    for _ in range(MAX_DAYS):
        for opens, closes in _open_on(calendar, day):
            begin = max(opens, start)
            if begin < closes:
                if left <= closes - begin:
                    return begin + left
                left -= closes - begin
        day += _DAY
    raise ValueError("the calendar has too few working days for this")


def subtract_working(calendar: Calendar, end: datetime, amount: timedelta) -> datetime:
    """The latest moment from which `amount` of working time is left until `end`; raises ValueError if never."""
    left = amount
    day = end.astimezone(zone_of(calendar.timezone)).date()
    for _ in range(MAX_DAYS):
        for opens, closes in reversed(_open_on(calendar, day)):
            until = min(closes, end)
            if opens < until:
                if left <= until - opens:
                    return until - left
                left -= until - opens
        day -= _DAY
    raise ValueError("the calendar has too few working days for this")


def working_between(calendar: Calendar, start: datetime, end: datetime) -> timedelta:
    """Working time from `start` to `end`; negative when `end` is earlier."""
    if end < start:
        return -working_between(calendar, end, start)
    zone = zone_of(calendar.timezone)
    day, last = start.astimezone(zone).date(), end.astimezone(zone).date()
    total = timedelta(0)
    while day <= last:
        for opens, closes in _open_on(calendar, day):
            total += max(timedelta(0), min(closes, end) - max(opens, start))
        day += _DAY
    return total


def _open_on(calendar: Calendar, day: date) -> list[tuple[datetime, datetime]]:
    """The open spans of one local day, in order and without overlaps; the day before may extend into it.

    It may by a span that ends before 24:00, too: in Nuuk the hour from 23:00 is skipped, and 23:11 is 00:11 then.
    """
    midnight, next_midnight = _at(calendar, day, 0), _at(calendar, day, _DAY_MINUTES)
    found = sorted(
        (_at(calendar, begins_on, begin), _at(calendar, begins_on, end))
        for begins_on in (day - _DAY, day)
        for begin, end in calendar.spans_on(begins_on)
    )
    merged: list[tuple[datetime, datetime]] = []
    done = midnight
    for opens, closes in found:
        begin, end = max(opens, done), min(closes, next_midnight)
        if begin < end:
            merged.append((begin, end))
            done = end
    return merged


def _at(calendar: Calendar, day: date, minute: int) -> datetime:
    days, rest = divmod(minute, _DAY_MINUTES)
    return local_instant(day + timedelta(days=days), time(*divmod(rest, 60)), calendar.timezone)


def quiet_until(quiet: QuietHours, moment: datetime, timezone: str) -> datetime | None:
    """When the quiet hours around `moment` are over, or None outside of them."""
    local = moment.astimezone(zone_of(timezone))
    today = local.date()
    for day in (today - _DAY, today):
        begins = local_instant(day, quiet.start, timezone)
        ends_on = day if quiet.start < quiet.end else day + _DAY
        ends = local_instant(ends_on, quiet.end, timezone)
        if begins <= moment < ends:
            return ends
    return None


def next_time(schedule: Schedule, after: datetime) -> datetime:
    """The schedule's first moment later than `after`."""
    day = after.astimezone(zone_of(schedule.timezone)).date()
    for offset in range(-1, 64):
        candidate = day + timedelta(days=offset)
        if _falls_on(schedule, candidate):
            moment = local_instant(candidate, schedule.at, schedule.timezone)
            if moment > after:
                return moment
    raise ValueError("a schedule comes at least once in two months")


def _falls_on(schedule: Schedule, day: date) -> bool:
    if schedule.every == "day":
        return True
    if schedule.every == "week":
        return day.weekday() == schedule.day
    tomorrow = day + _DAY
    is_last = tomorrow.month != day.month
    # The 31st of a short month is its last day.
    return day.day == max(1, schedule.day) or (is_last and schedule.day > day.day)

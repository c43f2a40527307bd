"""Reminders, digests, quiet hours and working time in every time zone, on any date, most of all where clocks jump.

The references walk minute by minute over the wall clock and know nothing of spans.
"""

import calendar as months
import zoneinfo
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from service.domain.calendars import (
    Calendar,
    QuietHours,
    Schedule,
    add_working,
    local_instant,
    next_time,
    quiet_until,
    working_between,
)
from service.domain.causes import EventReceived
from service.domain.decide import decide
from service.domain.event_decoding import decode
from service.domain.order import order_uuid
from service.workflows import packs
from tests.support.events import CUSTOMER, encoded, event
from tests.support.examples import examples
from tests.support.world import ROOT

ZONES = sorted(zoneinfo.available_timezones() - {"localtime"})
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SERVICE = packs.Packs(packs.build_all(ROOT / "templates")).get("home_service").workflow


@lru_cache(maxsize=4096)
def jumps(zone: str, year: int) -> tuple[datetime, ...]:
    """The UTC moments, to the minute, at which the zone's clocks jump in this year."""
    found = []
    moment = datetime(year, 1, 1, tzinfo=UTC)
    z = ZoneInfo(zone)
    while moment.year == year:
        after = moment + DAY
        if moment.astimezone(z).utcoffset() != after.astimezone(z).utcoffset():
            low, high = moment, after
            while high - low > MINUTE:
                middle = low + (high - low) // 2
                same = middle.astimezone(z).utcoffset() == low.astimezone(z).utcoffset()
                low, high = (middle, high) if same else (low, middle)
            found.append(high.replace(second=0, microsecond=0))
        moment = after
    return tuple(found)


@st.composite
def zones_and_moments(draw: st.DrawFn) -> tuple[str, datetime]:
    """A zone and a moment in it, half of them within a day and a half of a jump."""
    zone = draw(st.sampled_from(ZONES))
    moment = draw(st.integers(0, 41 * 365 * 24 * 60)) * MINUTE + datetime(1996, 1, 1, tzinfo=UTC)
    near = jumps(zone, moment.year)
    close: bool = draw(st.booleans())
    if near and close:
        moment = draw(st.sampled_from(list(near))) + draw(st.integers(-36 * 60, 36 * 60)) * MINUTE
    return zone, moment


TIMES = st.times().map(lambda t: t.replace(second=0, microsecond=0, fold=0))


def wall(moment: datetime, zone: str) -> datetime:
    """What a clock on the wall shows."""
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def shown(moment: datetime, at: time, day: date, zone: str) -> bool:
    """Whether the wall shows `at` on `day`; where that was jumped over, as much later as the clocks jumped."""
    local = datetime.combine(day, at)
    if wall(moment, zone) == local:
        return True
    before = (moment - 25 * HOUR).astimezone(ZoneInfo(zone)).utcoffset() or timedelta(0)
    after = moment.astimezone(ZoneInfo(zone)).utcoffset() or timedelta(0)
    return wall(moment, zone) == local + (after - before) and after > before


@given(zones_and_moments(), TIMES)
@settings(max_examples=examples(400), deadline=None)
def test_a_local_time_is_shown_by_the_wall_or_was_jumped_over(where: tuple[str, datetime], at: time) -> None:
    zone, moment = where
    day = wall(moment, zone).date()
    instant = local_instant(day, at, zone)
    if any(abs(j - instant) < 30 * HOUR for y in (day.year - 1, day.year, day.year + 1) for j in jumps(zone, y)):
        assert shown(instant, at, day, zone)
    else:
        assert wall(instant, zone) == datetime.combine(day, at)


@given(zones_and_moments(), TIMES, TIMES)
@settings(max_examples=examples(400), deadline=None)
def test_quiet_hours_are_those_that_the_wall_shows(where: tuple[str, datetime], start: time, end: time) -> None:
    assume(start != end)
    zone, moment = where
    quiet = QuietHours(start, end)
    until = quiet_until(quiet, moment, zone)
    local = wall(moment, zone).time()
    inside = start <= local < end if start < end else (local >= start or local < end)
    jumping = any(abs(j - moment) <= 26 * HOUR for y in {moment.year, (moment + DAY).year, (moment - DAY).year}
                  for j in jumps(zone, y))  # fmt: skip
    if not jumping:
        assert (until is not None) == inside
    if until is not None:
        assert moment < until <= moment + 26 * HOUR
        if not jumping:  # a jump may push the end of one night beyond the start of the next
            assert quiet_until(quiet, until, zone) is None, "one wait is enough"
        days = [wall(until, zone).date() + n * DAY for n in (-1, 0)]
        assert any(shown(until, end, day, zone) for day in days)


def falls_on(schedule: Schedule, day: date) -> bool:
    """Apart from the service: whether the schedule comes on this day."""
    if schedule.every == "week":
        return day.weekday() == schedule.day
    last = months.monthrange(day.year, day.month)[1]
    return schedule.every == "day" or day.day == min(max(1, schedule.day), last)


@given(zones_and_moments(), TIMES, st.sampled_from(["day", "week", "month"]), st.integers(0, 31))
@example(("Europe/Berlin", datetime(2026, 3, 28, 12, tzinfo=UTC)), time(2, 30), "day", 0)
@example(("Pacific/Apia", datetime(2011, 12, 29, 12, tzinfo=UTC)), time(9), "day", 0)
@example(("America/Sao_Paulo", datetime(2018, 11, 3, 12, tzinfo=UTC)), time(0), "month", 4)
@settings(max_examples=examples(400), deadline=None)
def test_digests_and_reports_come_once_each_time_and_never_in_between(
    where: tuple[str, datetime], at: time, every: str, day: int
) -> None:
    zone, moment = where
    schedule = Schedule(every, at, zone, day % 7 if every == "week" else day)  # type: ignore[arg-type]
    wanted = []
    first = wall(moment, zone).date() - DAY
    for n in range(140):
        candidate = first + n * DAY
        instant = local_instant(candidate, at, zone)
        if falls_on(schedule, candidate) and instant > moment and instant not in wanted:
            wanted.append(instant)
    got, after = [], moment
    for _ in range(3):
        after = next_time(schedule, after)
        got.append(after)
    assert got == sorted(wanted)[:3]


@st.composite
def calendars(draw: st.DrawFn, zone: str) -> Calendar:
    """Working days of at least an hour."""
    opens = draw(st.integers(0, 22))
    closes = draw(st.integers(opens + 1, 23))
    days = frozenset(draw(st.sets(st.integers(0, 6), min_size=1)))
    return Calendar(zone, tuple(((opens * 60, closes * 60),) if d in days else () for d in range(7)))


@given(zones_and_moments(), st.data(), st.integers(1, 40 * 60), st.integers(1, 20 * 60))
@settings(max_examples=examples(300), deadline=None)
def test_working_time_adds_up_and_is_counted_only_while_open(
    where: tuple[str, datetime], data: st.DataObject, minutes: int, more: int
) -> None:
    zone, moment = where
    moment = moment.replace(second=0)
    calendar = data.draw(calendars(zone))
    end = add_working(calendar, moment, minutes * MINUTE)
    assert end > moment
    assert working_between(calendar, moment, end) == minutes * MINUTE
    assert add_working(calendar, end, more * MINUTE) == add_working(calendar, moment, (minutes + more) * MINUTE)
    assert working_between(calendar, end, moment) == -minutes * MINUTE
    near = any(
        moment - 2 * DAY <= j <= end + 2 * DAY for y in range(moment.year - 1, end.year + 2) for j in jumps(zone, y)
    )
    if not near and end - moment < 6 * DAY and ZoneInfo(zone).utcoffset(wall(moment, zone)).seconds % 60 == 0:  # type: ignore[union-attr]
        count, at = 0, moment
        while at < end:
            local = wall(at, zone)
            count += any(b <= local.hour * 60 + local.minute < e for b, e in calendar.week[local.weekday()])
            at += MINUTE
        assert count == minutes


@given(zones_and_moments(), st.integers(50, 200), st.integers(-40, 40))
@settings(max_examples=examples(60), deadline=None)
def test_reminders_are_a_length_of_time_before_the_visit_wherever_it_is_and_move_with_it(
    where: tuple[str, datetime], ahead: int, moved: int
) -> None:
    zone, now = where
    visit = (now + ahead * HOUR).astimezone(ZoneInfo(zone))
    said: dict[str, Any] = {
        "recipients": {"customer": {**CUSTOMER, "timezone": zone}},
        "assignee": {"role": "technician", "id": "t-1", "name": "Sergio"},
    }
    order = None
    for n, start in enumerate((visit, (visit.astimezone(UTC) + moved * HOUR).astimezone(ZoneInfo(zone)))):
        e = event(
            "Z-1",
            "scheduled",
            now + n * MINUTE,
            workflow="home_service",
            appointment={"start": start.isoformat()},
            **said,
        )
        order = decide(
            order, EventReceived(now + n * MINUTE, decode(encoded(e))), SERVICE, order_uuid(UUID(int=1 << 90))
        ).order
        for name, before in (
            ("reminder_two_days", 48 * HOUR),
            ("reminder_one_day", 24 * HOUR),
            ("reminder_soon", 30 * MINUTE),
        ):
            clock = order.clocks[name]
            due = start.astimezone(UTC) - before
            assert clock.due == due
            assert clock.state == ("running" if due > now + n * MINUTE else "cancelled")

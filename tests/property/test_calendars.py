"""Working time against a naive reference that counts open minutes one by one: random calendars, zones, pauses.

The reference turns each local time into a moment by looking for it on the wall, knows no windows and merges nothing.
"""

import random
import zoneinfo
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from service.domain.calendars import Calendar, add_working, subtract_working, working_between
from tests.support.examples import examples

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
ZONES = sorted(z for z in zoneinfo.available_timezones() if "/" in z and not z.startswith("Etc"))
# Around both changes of daylight saving in Europe and America, and of the southern half.
STARTS = [
    datetime(2026, 3, 6, tzinfo=UTC), datetime(2026, 3, 27, tzinfo=UTC), datetime(2026, 10, 23, tzinfo=UTC),
    datetime(2026, 10, 30, tzinfo=UTC), datetime(2026, 4, 3, tzinfo=UTC), datetime(2026, 10, 2, tzinfo=UTC),
    datetime(2026, 12, 22, tzinfo=UTC), datetime(2026, 6, 15, tzinfo=UTC),
]  # fmt: skip


def on_the_wall(day: date, minute: int, zone: ZoneInfo) -> datetime:
    """The first moment at which the wall shows this; of a time that is skipped, as much later as the clocks jump."""
    local = datetime.combine(day, time()) + minute * MINUTE
    guess = local.replace(tzinfo=UTC)
    offsets = sorted({(guess + h * timedelta(hours=6)).astimezone(zone).utcoffset() for h in range(-6, 7)})  # type: ignore[type-var]
    moments = sorted(guess - o for o in offsets if o is not None)
    for moment in moments:
        if moment.astimezone(zone).replace(tzinfo=None) == local:
            return moment
    return moments[-1]


def open_minutes(calendar: Calendar, start: datetime, days: int) -> set[datetime]:
    """Every minute from `start` in which somebody works."""
    zone = ZoneInfo(calendar.timezone)
    end = start + days * DAY
    found: set[datetime] = set()
    first = start.astimezone(zone).date() - 2 * DAY
    for n in range(days + 5):
        day = first + n * DAY
        spans = calendar.special.get(day, calendar.week[day.weekday()])
        for begin, until in spans:
            moment, closes = on_the_wall(day, begin, zone), on_the_wall(day, until, zone)
            while moment < closes:
                if start <= moment < end:
                    found.add(moment)
                moment += MINUTE
    return found


def random_spans(dice: random.Random) -> tuple[tuple[int, int], ...]:
    kind = dice.randrange(8)
    if kind == 0:
        return ()
    if kind == 1:
        return ((0, 1440),)
    if kind == 2:  # a night shift
        begin = dice.randrange(1080, 1440)
        return ((begin, dice.randrange(1441, 1440 + 600)),)
    edges = sorted(dice.sample(range(0, 1441, dice.choice((1, 15, 30))), 2 * dice.choice((1, 1, 2, 3))))
    return tuple(zip(edges[::2], edges[1::2], strict=True))


def random_calendar(dice: random.Random, start: datetime) -> Calendar:
    week = [random_spans(dice) for _ in range(7)]
    if not any(week):
        week[dice.randrange(7)] = ((540, 1080),)
    days = [start.date() + dice.randrange(-2, 12) * DAY for _ in range(dice.randrange(4))]
    special = {day: dice.choice([(), random_spans(dice)]) for day in days}
    return Calendar(dice.choice(ZONES), tuple(week), special)


def compare(seed: int) -> None:
    dice = random.Random(seed)
    start = dice.choice(STARTS) + dice.randrange(5 * 24 * 60) * MINUTE
    calendar = random_calendar(dice, start)
    minutes = sorted(open_minutes(calendar, start, 9))
    end = start + dice.randrange(1, 9 * 24 * 60) * MINUTE
    counted = sum(m < end for m in minutes)
    assert working_between(calendar, start, end) == counted * MINUTE, seed
    assert working_between(calendar, end, start) == -counted * MINUTE, seed
    if not minutes:
        return
    amount = dice.randrange(1, len(minutes) + 1)
    due = minutes[amount - 1] + MINUTE
    assert add_working(calendar, start, amount * MINUTE) == due, seed
    assert subtract_working(calendar, due, amount * MINUTE) == minutes[0], seed
    # A pause of any length: what was left before it is left after it.
    paused = start + dice.randrange(0, 3 * 24 * 60) * MINUTE
    left = sum(paused <= m < due for m in minutes)
    assert max(timedelta(0), working_between(calendar, paused, due)) == left * MINUTE, seed
    resumed = paused + dice.randrange(0, 3 * 24 * 60) * MINUTE
    after = [m for m in minutes if m >= resumed]
    if 0 < left <= len(after):
        assert add_working(calendar, resumed, left * MINUTE) == after[left - 1] + MINUTE, seed


# Found by the long form: in Nuuk the clocks jump at 23:00, and a shift until 23:11 ends on the next day.
KEPT = (12_228,)


def test_working_time_is_that_of_the_wall_clock() -> None:
    for seed in (*range(examples(1500)), *KEPT):
        compare(seed)


@pytest.mark.long
def test_working_time_is_that_of_the_wall_clock_on_twenty_thousand_calendars() -> None:
    for seed in range(1500, 21_500):
        compare(seed)

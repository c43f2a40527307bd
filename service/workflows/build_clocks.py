"""Clocks, calendars, reports and measures of a pack, from YAML to the domain's model."""

from collections.abc import Iterable
from datetime import date, time, timedelta
from typing import Final, get_args

from service.domain.attribute_keys import key_of
from service.domain.calendars import Calendar, QuietHours, Spans
from service.domain.promises import CalendarBy, ClockSpec, Escalate, LengthFrom, Publish, Variant
from service.domain.reports import Measure, Report
from service.workflows.conditions import ConditionScope, condition
from service.workflows.durations import WorkingTime, parse_duration, parse_length
from service.workflows.public_holidays import public_holidays
from service.workflows.schema import MeasureYaml, WorkflowYaml
from service.workflows.schema_clocks import ClockYaml, EscalateYaml, FollowUpYaml, PublishYaml
from service.workflows.schema_times import (
    DAY_MINUTES,
    CalendarYaml,
    LengthFromYaml,
    LengthUnit,
    QuietYaml,
    Weekday,
    ZoneFromYaml,
    zone_name,
)

_WEEKDAYS: Final[tuple[Weekday, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# A longer length in an order's data is a mistake; a calendar does not count beyond its `reach`.
_MOST: Final = timedelta(days=3660)
_MOST_WORKING_DAYS: Final = 1000
_YEARS_AHEAD: Final = 6
_YEARS_BACK: Final = 2


def local_time(text: str) -> time:
    """Parse `HH:MM`."""
    return time.fromisoformat(text)


def calendar(yaml: CalendarYaml) -> Calendar:
    """A calendar with the holidays of the years around now; raises NotImplementedError for an unknown region."""
    special: dict[date, Spans] = {}
    if yaml.holidays:
        this_year = date.today().year  # noqa: DTZ011 - a year either way does not matter
        years = range(this_year - _YEARS_BACK, this_year + _YEARS_AHEAD)
        special |= dict.fromkeys(public_holidays(yaml.holidays, yaml.region, years), ())
    special |= dict.fromkeys(yaml.closed, ())
    special |= {day: spans(texts) for day, texts in yaml.special.items()}
    zone_from = yaml.timezone.from_ if isinstance(yaml.timezone, ZoneFromYaml) else ""
    return Calendar(zone_name(yaml), tuple(_on(yaml, weekday) for weekday in _WEEKDAYS), special, zone_from)


def _on(yaml: CalendarYaml, weekday: Weekday) -> Spans:
    if isinstance(yaml.hours, dict):
        return spans(yaml.hours.get(weekday, []))
    if weekday not in yaml.days:
        return ()
    return spans(yaml.hours if yaml.hours is not None else [f"{yaml.opens}-{yaml.closes}"])


def spans(texts: Iterable[str]) -> Spans:
    """`HH:MM-HH:MM` as minutes of the day, in order; one that ends earlier than it begins goes past midnight."""
    found = []
    for text in texts:
        begin, end = (_minute(part) for part in text.split("-"))
        found.append((begin, end if end >= begin else end + DAY_MINUTES))
    return tuple(sorted(found))


def _minute(text: str) -> int:
    hours, _, minutes = text.strip().partition(":")
    return int(hours) * 60 + int(minutes)


def quiet(yaml: QuietYaml | None) -> QuietHours | None:
    """The domain's quiet hours; None if there are none."""
    return QuietHours(local_time(yaml.start), local_time(yaml.end.replace("24:00", "00:00"))) if yaml else None


def clocks(yaml: WorkflowYaml, scope: ConditionScope) -> dict[str, ClockSpec]:
    """Every clock and follow-up of the pack, by name."""
    promises = {n: clock(n, c, yaml, scope) for n, c in yaml.clocks.items()}
    return promises | {n: follow_up(n, f, yaml, scope) for n, f in yaml.follow_ups.items()}


def reports(yaml: WorkflowYaml) -> dict[str, Report]:
    """The reports of the pack, by name."""
    return {
        n: Report(n, r.title, frozenset(r.in_), r.stuck_for, r.open_only, tuple(r.every), r.at)
        for n, r in yaml.reports.items()
    }


def clock(name: str, yaml: ClockYaml, pack: WorkflowYaml, scope: ConditionScope) -> ClockSpec:
    """A clock; working days become working time of its calendar."""
    warning = yaml.at_warning.notify if yaml.at_warning else None
    keeps, chosen = _calendars(yaml, pack)
    share, after = _warning(yaml.warn_at)
    return ClockSpec(
        name=name,
        kind=yaml.kind,
        within=_usual(yaml.within, keeps),
        length_from=_length_from(yaml.within, keeps, chosen),
        notice=yaml.notice,
        until=yaml.until,
        statuses=frozenset(yaml.in_),
        reset_by_any_event=yaml.reset_by_any_event,
        date=yaml.date,
        default_after=yaml.default.after if yaml.default else None,
        default_in=frozenset(yaml.default.in_) if yaml.default else frozenset(),
        warn_at=share,
        warn_after=after,
        notify_at_warning=warning.notice if warning else None,
        warn_when=condition(warning.when, scope) if warning else None,
        paused_in=frozenset(yaml.paused_in),
        notify=yaml.notify.notice if yaml.notify else None,
        notify_when=condition(yaml.notify.when, scope) if yaml.notify else None,
        publish=_publish(yaml.publish, scope),
        publish_at_warning=_publish(yaml.at_warning.publish, scope) if yaml.at_warning else None,
        escalate=_escalate(yaml.escalate, scope),
        calendar=keeps,
        calendar_by=chosen,
        variants=tuple(
            Variant(c, plain_length(v.within, keeps)) for v in yaml.variants if (c := condition(v.when, scope))
        ),
        when=condition(yaml.when, scope),
        unless=condition(yaml.unless, scope),
        late_by=yaml.late_by,
        timezone=pack.timezone,
    )


def _publish(yaml: PublishYaml | None, scope: ConditionScope) -> Publish | None:
    return Publish(yaml.type, yaml.data, condition(yaml.when, scope)) if yaml else None


def _escalate(yaml: EscalateYaml | None, scope: ConditionScope) -> Escalate | None:
    if yaml is None:
        return None
    return Escalate(yaml.reason, yaml.severity, yaml.auto_resolve, condition(yaml.when, scope))


def _calendars(yaml: ClockYaml | FollowUpYaml, pack: WorkflowYaml) -> tuple[Calendar | None, CalendarBy | None]:
    """The default calendar of a clock, and those chosen by a value of the order."""
    if yaml.calendar is None:
        return None, None
    if isinstance(yaml.calendar, str):
        return calendar(pack.calendars[yaml.calendar]), None
    by = {key_of(value): calendar(pack.calendars[name]) for value, name in yaml.calendar.is_.items()}
    return calendar(pack.calendars[yaml.calendar.else_]), CalendarBy(yaml.calendar.by, by)


def plain_length(length: timedelta | WorkingTime, keeps: Calendar | None) -> timedelta:
    """A duration, or working time converted by its calendar."""
    if isinstance(length, timedelta):
        return length
    day = keeps.day_length if keeps else timedelta(days=1)
    return day * length.days + timedelta(hours=length.hours)


def _usual(length: timedelta | WorkingTime | LengthFromYaml, keeps: Calendar | None) -> timedelta:
    """The length if the order's data has none."""
    if isinstance(length, LengthFromYaml):
        return plain_length(length.else_, keeps) if length.else_ is not None else timedelta(0)
    return plain_length(length, keeps)


def _length_from(
    length: timedelta | WorkingTime | LengthFromYaml, keeps: Calendar | None, chosen: CalendarBy | None
) -> LengthFrom | None:
    if not isinstance(length, LengthFromYaml):
        return None
    unit_name = unit_of(length)
    unit = plain_length(parse_length(f"1 {unit_name}"), keeps) if unit_name else None
    most = _MOST if keeps is None else min(keeps.day_length * _MOST_WORKING_DAYS, keeps.reach)
    most = min([most, *(other.reach for other in (chosen.calendars.values() if chosen else ()))])
    days = length.else_.days if isinstance(length.else_, WorkingTime) else 0.0
    return LengthFrom(length.from_, unit, most, length.else_ is not None, unit_name == "working days", days)


def unit_of(length: LengthFromYaml) -> str:
    """The unit as declared, else the one in the attribute's name, such as `attributes.days`; empty: none."""
    called = length.from_.rpartition(".")[2].replace("_", " ")
    known: tuple[str, ...] = get_args(LengthUnit)
    return length.unit or next((u for u in known[::-1] if called == u or called.endswith(f" {u}")), "")


def counts_working_time(length: timedelta | WorkingTime | LengthFromYaml) -> bool:
    """Whether the length is in working time."""
    if isinstance(length, LengthFromYaml):
        return unit_of(length).startswith("working") or isinstance(length.else_, WorkingTime)
    return isinstance(length, WorkingTime)


def counts_working_days(length: timedelta | WorkingTime | LengthFromYaml | None) -> bool:
    """Whether it is a fixed number of working days, all of the same length."""
    return isinstance(length, WorkingTime) and bool(length.days)


def follow_up(name: str, yaml: FollowUpYaml, pack: WorkflowYaml, scope: ConditionScope) -> ClockSpec:
    """A follow-up: a plan to tell a notice some time after entering a status."""
    keeps, chosen = _calendars(yaml, pack)
    return ClockSpec(
        name=name,
        kind="follow_up",
        within=_usual(yaml.after, keeps),
        length_from=_length_from(yaml.after, keeps, chosen),
        calendar=keeps,
        calendar_by=chosen,
        ends_in_working_time=keeps is not None and not counts_working_time(yaml.after),
        statuses=frozenset(yaml.in_),
        notify=yaml.notify.notice if yaml.notify else None,
        notify_when=condition(yaml.notify.when, scope) if yaml.notify else None,
        publish=_publish(yaml.publish, scope),
        when=condition(yaml.when, scope),
        unless=condition(yaml.unless, scope),
        late_by=yaml.late_by,
        timezone=pack.timezone,
    )


def _warning(text: str | None) -> tuple[float | None, timedelta | None]:
    if text is None:
        return None, None
    if text.endswith("%"):
        return float(text[:-1]) / 100, None
    return None, parse_duration(text)


def measure(name: str, yaml: MeasureYaml) -> Measure:
    """A measure; the goal of a time is a duration."""
    at_least = yaml.at_least is not None
    goal = yaml.at_least if at_least else yaml.at_most
    number: float | None = None
    if goal is not None:
        number = parse_duration(goal).total_seconds() if yaml.kind == "time" else float(str(goal).rstrip("%"))
    return Measure(name, yaml.kind, yaml.title, tuple(yaml.start), tuple(yaml.end), yaml.path or "", number, at_least)

"""Finds mistakes in lengths and time zones that come from an order's data."""

from collections.abc import Iterator
from typing import Final

from service.domain.calendars import Calendar
from service.domain.conditions.fields import type_at
from service.workflows.build import scope_of
from service.workflows.build_clocks import calendar as build_calendar
from service.workflows.build_clocks import plain_length, unit_of
from service.workflows.durations import parse_length
from service.workflows.lint_names import calendars_of
from service.workflows.schema_clocks import ClockYaml, FollowUpYaml
from service.workflows.schema_times import CalendarYaml, LengthFromYaml, LengthOrFrom, ZoneFromYaml
from service.workflows.source import Finding, Source
from service.workflows.yaml_lines import YamlPath

_WRITE: Final = "write 'unit': minutes, hours, days, weeks, working hours or working days"


def check(source: Source) -> Iterator[Finding]:
    """All problems of `within: {from: …}`, `after: {from: …}` and `timezone: {from: …}`."""
    y = source.yaml
    lengths: list[tuple[YamlPath, object]] = [(("clocks", n, "within"), c.within) for n, c in y.clocks.items()]
    lengths += [(("follow_ups", n, "after"), f.after) for n, f in y.follow_ups.items()]
    for path, length in lengths:
        if isinstance(length, LengthFromYaml):
            yield from _length(source, path, length)
    yield from _reach(source)
    attributes = scope_of(y).attributes
    for name, calendar in y.calendars.items():
        if isinstance(calendar.timezone, ZoneFromYaml):
            kind = type_at(calendar.timezone.from_, attributes)
            if kind not in ("text", "any"):
                problem = f"{calendar.timezone.from_} is not a text, so that it cannot name a time zone"
                yield source.problem(("calendars", name, "timezone"), problem)


def _reach(source: Source) -> Iterator[Finding]:
    """Lengths beyond the `reach` of a calendar with few hours."""
    y = source.yaml
    places: list[tuple[YamlPath, ClockYaml | FollowUpYaml, list[LengthOrFrom]]] = [
        (("clocks", n, "within"), c, [c.within, *(v.within for v in c.variants), *_warning(c)])
        for n, c in y.clocks.items()
    ]
    places += [(("follow_ups", n, "after"), f, [f.after]) for n, f in y.follow_ups.items()]
    for path, clock, lengths in places:
        for name in calendars_of(clock):
            calendar = _built(y.calendars.get(name))
            plain = (each.else_ if isinstance(each, LengthFromYaml) else each for each in lengths)
            if calendar and any(plain_length(each, calendar) > calendar.reach for each in plain if each is not None):
                yield source.problem(path, f"{path[1]}: longer than ten years of the calendar {name!r}; a shorter one")
                break


def _warning(clock: ClockYaml) -> list[LengthOrFrom]:
    try:
        return [parse_length(clock.warn_at)] if clock.warn_at and not clock.warn_at.endswith("%") else []
    except ValueError:
        return []


def _built(yaml: CalendarYaml | None) -> Calendar | None:
    """The calendar; None for one with mistakes, which are reported elsewhere."""
    try:
        return build_calendar(yaml) if yaml else None
    except (NotImplementedError, KeyError):
        return None


def _length(source: Source, path: YamlPath, length: LengthFromYaml) -> Iterator[Finding]:
    head, _, name = length.from_.partition(".")
    declared = source.yaml.attributes.get(name) if head == "attributes" else None
    if declared is None or declared.type not in ("number", "text"):
        declaration = f"declared as {declared.type}" if declared else "not declared"
        yield source.problem(path, f"{length.from_} is {declaration}; a length is a number, or a text such as '3 days'")
    elif declared.type == "number" and not unit_of(length):
        yield source.problem(path, f"{length.from_}: a number without a unit; {_WRITE}")

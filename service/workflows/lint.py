"""Finds settings of a pack without effect or in contradiction, and statuses that cannot be reached or left."""

import re
from collections.abc import Iterator
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from service.domain.clocks.kinds import KINDS
from service.workflows import build, build_clocks
from service.workflows.durations import parse_duration
from service.workflows.lint_names import calendars_of
from service.workflows.schema_clocks import ClockYaml, FollowUpYaml
from service.workflows.schema_times import CalendarYaml, zone_name
from service.workflows.source import Finding, Source
from service.workflows.yaml_lines import YamlPath


def check(source: Source) -> list[Finding]:
    """Statuses that cannot be reached or left, settings that do nothing."""
    return [*_settings(source), *_reachability(source)]


def _settings(source: Source) -> Iterator[Finding]:
    y = source.yaml
    yield from _zones(source)
    yield from _lengths(source)
    for kind, titled in (("stages", y.stages), ("reasons", y.reasons)):
        for name, part in titled.items():
            for locale in build.untitled(y, part.title):
                yield source.problem((kind, name, "title"), f"{name}: no title in {locale!r}")
    for name, where in build.dates(y).items():
        declared = y.attributes.get(name)
        if declared and declared.type not in ("date", "datetime"):
            yield source.problem(where, f"attributes.{name} is used as a date, but is declared as {declared.type}")
    for name in y.follow_ups.keys() & y.clocks.keys():
        yield source.problem(("follow_ups", name), f"{name}: is the name of a clock already")
    for name, clock in y.clocks.items():
        need = KINDS[clock.kind].needs
        if need and getattr(clock, need) is None:
            yield source.problem(("clocks", name), f"{name}: a {clock.kind} clock needs {need!r}")
        if not (clock.notify or clock.escalate or clock.publish):
            problem = f"{name}: its breach does nothing; give it 'notify', 'escalate' or 'publish'"
            yield source.problem(("clocks", name), problem)
    for name, follow_up in y.follow_ups.items():
        if not (follow_up.notify or follow_up.publish):
            yield source.problem(("follow_ups", name), f"{name}: does nothing; give it 'notify' or 'publish'")


def _zones(source: Source) -> Iterator[Finding]:
    y = source.yaml
    zones: list[tuple[YamlPath, str]] = [(("timezone",), y.timezone)]
    zones += [(("calendars", n, "timezone"), zone_name(c)) for n, c in y.calendars.items()]
    zones += [(("teams", n, "timezone"), t.timezone) for n, t in y.teams.items() if t.timezone]
    for path, zone in zones:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            yield source.problem(path, f"unknown time zone {zone!r}; write one like 'Asia/Kolkata'")
    for name, calendar in y.calendars.items():
        yield from _calendar(source, name, calendar)


def _calendar(source: Source, name: str, calendar: CalendarYaml) -> Iterator[Finding]:
    given = calendar.model_fields_set
    if calendar.hours is not None and (twice := sorted(given & {"opens", "closes"})):
        yield source.problem(
            ("calendars", name, "hours"), f"{name}: 'hours' replaces {' and '.join(twice)}; keep one of them"
        )
    if isinstance(calendar.hours, dict) and "days" in given:
        yield source.problem(("calendars", name, "days"), f"{name}: 'hours' by weekday already sets the days")
    try:
        built = build_clocks.calendar(calendar)
    except (NotImplementedError, KeyError):
        yield source.problem(("calendars", name, "holidays"), f"no holidays are known for {calendar.holidays!r}")
        return
    if not built.day_length:
        yield source.problem(("calendars", name), f"{name}: has no working time")
    for spans in (*built.week, *built.special.values()):
        if any(begin == end for begin, end in spans) or any(b[0] < a[1] for a, b in pairwise(spans)):
            yield source.problem(
                ("calendars", name), f"{name}: spans overlap, or are empty; a whole day is 00:00-24:00"
            )
            break


def _lengths(source: Source) -> Iterator[Finding]:
    y = source.yaml
    for name, clock in y.clocks.items():
        lengths = [clock.within, *(v.within for v in clock.variants)]
        if clock.calendar is None and any(build_clocks.counts_working_time(length) for length in lengths):
            yield source.problem(("clocks", name, "within"), f"{name}: working time needs a 'calendar'")
        if clock.at_warning and clock.warn_at is None:
            yield source.problem(("clocks", name, "at_warning"), f"{name}: at_warning needs 'warn_at'")
        if any(build_clocks.counts_working_days(length) for length in lengths):
            yield from _day_lengths(source, ("clocks", name, "within"), clock)
        if clock.warn_at is not None and not re.match(r"^\d{1,2}%$", clock.warn_at):
            try:
                parse_duration(clock.warn_at)
            except ValueError:
                yield source.problem(("clocks", name, "warn_at"), f"{name}: write warn_at as 80% or as 4h")
    for name, follow_up in y.follow_ups.items():
        if follow_up.calendar is None and build_clocks.counts_working_time(follow_up.after):
            yield source.problem(("follow_ups", name, "after"), f"{name}: working time needs a 'calendar'")
        if build_clocks.counts_working_days(follow_up.after):
            yield from _day_lengths(source, ("follow_ups", name, "after"), follow_up)
    for name, measure in y.measures.items():
        missing = [_MEASURED_BY[key] for key in _NEEDED[measure.kind] if not getattr(measure, key)]
        if missing:
            yield source.problem(("measures", name), f"{name}: a {measure.kind} needs {' and '.join(missing)}")


def _day_lengths(source: Source, path: YamlPath, clock: ClockYaml | FollowUpYaml) -> Iterator[Finding]:
    """Refuse working days for calendars with days of different lengths: one clock would mean different promises."""
    known = [source.yaml.calendars[c] for c in calendars_of(clock) if c in source.yaml.calendars]
    try:
        lengths = {build_clocks.calendar(c).day_length for c in known}
    except (NotImplementedError, KeyError):
        return
    if len(lengths) > 1:
        yield source.problem(path, f"{path[1]}: its calendars' days differ in length; write working hours")


_NEEDED = {"average": ("path",), "rate": ("start", "end"), "time": ("start", "end"), "count": ("start", "path")}
_MEASURED_BY = {"path": "'path'", "start": "'from'", "end": "'to'"}


def _reachability(source: Source) -> Iterator[Finding]:
    y = source.yaml
    finals = frozenset(n for n, s in y.statuses.items() if s.final)
    moves = build.moves(y.transitions, list(y.statuses), finals)
    reached = set(build.starts(y))
    frontier = list(reached)
    while frontier:
        for following in moves.get(frontier.pop(), ()):
            if following not in reached:
                reached.add(following)
                frontier.append(following)
    for name, status in y.statuses.items():
        if name not in reached:
            yield source.problem(("statuses", name), f"{name}: unreachable: no transition leads to it")
        if not status.final and not moves[name]:
            yield source.problem(("statuses", name), f"{name}: dead end: nothing may follow, and it is not final")
    mapped = {s.stage for s in y.statuses.values()}
    for stage in y.stages:
        if stage not in mapped:
            yield source.problem(("stages", stage), f"{stage}: no status is shown as this stage")

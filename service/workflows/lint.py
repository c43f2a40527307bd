"""Everything that can be wrong with a pack, found at once, each with its file and line."""

import difflib
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import ValidationError

from service.domain.clocks.kinds import KINDS
from service.workflows import build, build_acts, build_clocks, build_lists, build_parties, build_replies
from service.workflows.durations import parse_duration
from service.workflows.renamed_keys import OldKey, with_new_names
from service.workflows.schema import WorkflowYaml
from service.workflows.schema_clocks import ClockYaml, FollowUpYaml
from service.workflows.schema_times import CalendarByYaml, CalendarYaml, zone_name
from service.workflows.yaml_lines import YamlError, YamlPath, line_of, load


class Finding(NamedTuple):
    """A mistake and where it stands; `line` is 1-based."""

    file: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class Source(NamedTuple):
    """A parsed `workflow.yaml` and the lines of its parts."""

    file: Path
    yaml: WorkflowYaml
    lines: dict[YamlPath, int]
    old_keys: tuple[OldKey, ...] = ()

    def problem(self, path: YamlPath, message: str) -> Finding:
        """A mistake at `path`."""
        return Finding(self.file, line_of(self.lines, path), message)


def read(file: Path) -> tuple[Source | None, list[Finding]]:
    """The pack's YAML, or why it cannot be used."""
    try:
        document, lines = load(file)
        old_keys = tuple(with_new_names(document, lines))
    except YamlError as error:
        return None, [Finding(file, error.line, error.message)]
    try:
        return Source(file, WorkflowYaml.model_validate(document), lines, old_keys), []
    except ValidationError as error:
        return None, [
            Finding(file, line_of(lines, tuple(e["loc"])), f"{_dotted(e['loc'])}: {_words(e['msg'])}")
            for e in error.errors()
        ]


def _dotted(loc: Iterable[str | int]) -> str:
    return ".".join(str(step) for step in loc) or "the document"


# Pydantic names a class of ours, which no reader of a pack knows.
_A_CLASS = re.compile(r"Input should be a valid dictionary or instance of \w+")


def _words(message: str) -> str:
    said = message.removeprefix("Value error, ").replace("Extra inputs are not permitted", "unknown key")
    return _A_CLASS.sub("keys and their values are expected here, such as {key: value}", said)


def check(source: Source) -> list[Finding]:
    """Unknown names, statuses that cannot be reached or left, settings that do nothing."""
    return [*_names(source), *_settings(source), *_reachability(source)]


def _names(source: Source) -> Iterator[Finding]:
    y = source.yaml
    if y.workflow != source.file.parent.name:
        yield source.problem(("workflow",), f"is {y.workflow!r}, but its folder is {source.file.parent.name!r}")
    for path, kind, name, known in _references(y):
        yield from unknown(source, path, kind, name, known)


def unknown(source: Source, path: YamlPath, kind: str, name: str, known: Iterable[str]) -> Iterator[Finding]:
    """A name that is none of these, with the nearest that is."""
    if name not in (known := list(known)):
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known) or 'none'}"
        yield source.problem(path, f"unknown {kind} {name!r}{hint}")


def _references(y: WorkflowYaml) -> Iterator[tuple[YamlPath, str, str, list[str]]]:
    """Every name that must be declared elsewhere: where it is used, what it is, and what is known."""
    stages, statuses, notices = list(y.stages), list(y.statuses), list(y.notices)
    teams = list(y.teams)
    for name, status in y.statuses.items():
        yield ("statuses", name, "stage"), "stage", status.stage, stages
        for i, entered in enumerate(status.notify):
            yield ("statuses", name, "notify", i), "notice", entered.notice, notices
    for path, names in _status_lists(y):
        for name in names:
            yield path, "status", name, statuses
    for name, notice in y.notices.items():
        for key in ("replaces", "after"):
            for other in getattr(notice, key):
                yield ("notices", name, key), "notice", other, notices
        for locale in notice.whatsapp_content:
            yield ("notices", name, "whatsapp_content", locale), "locale", locale, y.locales
    yield from _brand_references(y)
    for name in y.calls:
        yield ("calls", name), "team", name, teams
    for name in y.shows:
        # Lists are seen by many, and are not opened for one person: what tells of somebody stays on the order's page.
        open_ = [n for n, a in y.attributes.items() if not a.personal]
        yield ("shows",), "attribute that is not personal", name, open_
    yield from build_replies.references(y)
    yield from build_acts.references(y)
    yield from build_parties.references(y)
    yield from build_lists.references(y)
    yield from _clock_references(y)
    for name, reason in y.reasons.items():
        for team in (reason.team, *(v.team for v in reason.variants if v.team)):
            yield ("reasons", name, "team"), "team", team, teams


def _brand_references(y: WorkflowYaml) -> Iterator[tuple[YamlPath, str, str, list[str]]]:
    for name, brand in y.brands.items():
        for told, own in brand.notices.items():
            yield ("brands", name, "notices", told), "notice", told, list(y.notices)
            for locale in own.whatsapp_content:
                yield ("brands", name, "notices", told, "whatsapp_content", locale), "locale", locale, y.locales


def _clock_references(y: WorkflowYaml) -> Iterator[tuple[YamlPath, str, str, list[str]]]:
    for name, follow_up in y.follow_ups.items():
        if follow_up.notify:
            yield ("follow_ups", name, "notify"), "notice", follow_up.notify.notice, list(y.notices)
        for used in calendars_of(follow_up):
            yield ("follow_ups", name, "calendar"), "calendar", used, list(y.calendars)
    for name, clock in y.clocks.items():
        if clock.notice:
            yield ("clocks", name, "notice"), "notice", clock.notice, list(y.notices)
        if clock.notify:
            yield ("clocks", name, "notify"), "notice", clock.notify.notice, list(y.notices)
        if clock.at_warning and clock.at_warning.notify:
            warned = clock.at_warning.notify.notice
            yield ("clocks", name, "at_warning", "notify"), "notice", warned, list(y.notices)
        for used in calendars_of(clock):
            yield ("clocks", name, "calendar"), "calendar", used, list(y.calendars)
        if clock.escalate:
            yield ("clocks", name, "escalate", "reason"), "reason", clock.escalate.reason, list(y.reasons)


def calendars_of(clock: ClockYaml | FollowUpYaml) -> list[str]:
    """The names of all calendars that may count for a clock."""
    if isinstance(clock.calendar, CalendarByYaml):
        return [*clock.calendar.is_.values(), clock.calendar.else_]
    return [clock.calendar] if clock.calendar else []


def _statuses_of_clocks(y: WorkflowYaml) -> Iterator[tuple[YamlPath, list[str]]]:
    for name, clock in y.clocks.items():
        yield ("clocks", name, "in"), clock.in_
        yield ("clocks", name, "paused_in"), clock.paused_in
        if clock.default:
            yield ("clocks", name, "default", "in"), clock.default.in_
    for planned, follow_up in y.follow_ups.items():
        yield ("follow_ups", planned, "in"), follow_up.in_


def _status_lists(y: WorkflowYaml) -> Iterator[tuple[YamlPath, list[str]]]:
    t = y.transitions
    yield ("starts",), y.starts
    yield ("contact_from",), y.contact_from
    yield ("transitions", "path"), t.path
    yield ("transitions", "optional"), t.optional
    yield ("transitions", "from_any"), t.from_any
    if isinstance(t.back, list):
        yield ("transitions", "back"), t.back
    for status, following in t.also.items():
        yield ("transitions", "also", status), [status, *following]
    yield from _statuses_of_clocks(y)
    for i, answer in enumerate(y.faqs):
        yield ("faqs", i, "in"), answer.in_
    for name, notice in y.notices.items():
        for key, trigger in (("on_note", notice.on_note), ("on_change", notice.on_change)):
            if trigger:
                yield ("notices", name, key, "in"), trigger.in_
        yield ("notices", name, "in"), notice.in_
    for entered, rule in y.statuses.items():
        for need in rule.needs:
            yield ("statuses", entered, "needs"), need.from_
    for name, report in y.reports.items():
        yield ("reports", name, "in"), report.in_
    for name, measure in y.measures.items():
        yield ("measures", name, "from"), measure.start
        yield ("measures", name, "to"), measure.end
    yield ("running_orders", "rename"), list(y.running_orders.rename.values())


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
            said = f"{name}: its breach does nothing; give it 'notify', 'escalate' or 'publish'"
            yield source.problem(("clocks", name), said)
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
    said = calendar.model_fields_set
    if calendar.hours is not None and (twice := sorted(said & {"opens", "closes"})):
        yield source.problem(
            ("calendars", name, "hours"), f"{name}: 'hours' stands in for {' and '.join(twice)}; say one"
        )
    if isinstance(calendar.hours, dict) and "days" in said:
        yield source.problem(("calendars", name, "days"), f"{name}: 'hours' by weekday says the days already")
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
    """Working days of calendars of different lengths would be different promises under one name."""
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

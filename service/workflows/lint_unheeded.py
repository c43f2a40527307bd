"""Finds keys that would be ignored: of another kind, never reached, or without what they act on.

A certain mistake is a problem; a key without effect so far, as nothing uses it, is a remark.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Final

from service.domain.clocks.kinds import KINDS
from service.domain.conditions.fields import is_known, type_at
from service.workflows.build import scope_of
from service.workflows.build_replies import NOTICES
from service.workflows.durations import parse_duration
from service.workflows.lint_names import calendars_of
from service.workflows.schema import MeasureYaml, NoticeYaml, WorkflowYaml, channels_of
from service.workflows.schema_teams import LevelYaml
from service.workflows.schema_times import QuietYaml
from service.workflows.source import Finding, Source
from service.workflows.yaml_lines import YamlPath

_OF_SOME_CLOCKS: Final = frozenset().union(*(kind.takes for kind in KINDS.values()))
_OF_MEASURES: Final[Mapping[str, Sequence[str]]] = {
    "rate": ("from", "to", "at_least", "at_most"),
    "time": ("from", "to", "at_least", "at_most"),
    "average": ("path", "at_least", "at_most"),
    "count": ("from", "path"),
}
_GOALS: Final = {"rate": "85", "time": "5d", "average": "4.5"}
_NAMES: Final = {"start": "from", "end": "to"}
_DATES: Final = ("date", "datetime")
_TRIGGERS: Final = ("manual", "on_assignee_change", "on_assigned", "on_note", "on_change", "on_rows")


def check(source: Source) -> Iterator[Finding]:
    """All problems."""
    yield from _clocks(source)
    for name, measure in source.yaml.measures.items():
        yield from _measure(source, name, measure)
    yield from _paths(source)
    yield from _calls(source)
    yield from _quiet_hours(source)
    yield from _moments(source)
    y = source.yaml
    for key, instead in (("fallback", y.fallback), ("audience_fallback", y.audience_fallback)):
        for name, other in instead.items():
            if name == other:
                yield source.problem((key, name), f"{name}: falls back to itself")
    if y.running_orders.rename and not y.running_orders.move:
        yield source.problem(("running_orders", "rename"), "rename: moves no order without 'move: true'")
    for name, calendar in y.calendars.items():
        if calendar.region and not calendar.holidays:
            yield source.problem(
                ("calendars", name, "region"), f"{name}: 'region' needs 'holidays', which names its country"
            )


def remarks(source: Source) -> Iterator[Finding]:
    """Keys that have no effect in the pack as it is."""
    y = source.yaml
    sent = _sent_notices(y)
    for name, notice in y.notices.items():
        if name not in sent and not any(getattr(notice, key) for key in _TRIGGERS):
            yield source.problem(("notices", name), f"{name}: nothing tells it; name it at a status, or drop it")
        yield from _notice(source, name, notice)
    used = {c for clock in y.clocks.values() for c in calendars_of(clock)}
    used |= {c for follow_up in y.follow_ups.values() for c in calendars_of(follow_up)}
    for name in y.calendars.keys() - used:
        yield source.problem(("calendars", name), f"{name}: nothing counts by it; name it as a clock's 'calendar'")
    rules = y.transitions
    if rules.optional and rules.forward != "optional":
        problem = f"'optional' counts with 'forward: optional' alone; it is {rules.forward!r}"
        yield source.problem(("transitions", "optional"), problem)
    yield from _nearly_declared(source)


def _clocks(source: Source) -> Iterator[Finding]:
    for name, clock in source.yaml.clocks.items():
        for key in sorted((clock.model_fields_set & _OF_SOME_CLOCKS) - KINDS[clock.kind].takes):
            problem = f"{name}: a {clock.kind} clock takes no {key!r}; it would be ignored"
            yield source.problem(("clocks", name, key), problem)
        # A clock that counts back from a date starts when the date becomes known, at any time before.
        after = _length(clock.warn_at) if "date" not in KINDS[clock.kind].takes else None
        if after is not None and isinstance(clock.within, timedelta) and after >= clock.within:
            problem = f"{name}: 'warn_at' is counted from the start, and this promise is broken by then"
            yield source.problem(("clocks", name, "warn_at"), problem)


def _length(text: str | None) -> timedelta | None:
    """The length of a warning that is not a percentage; None for an unreadable one, which is reported elsewhere."""
    try:
        return parse_duration(text) if text and not text.endswith("%") else None
    except ValueError:
        return None


def _measure(source: Source, name: str, measure: MeasureYaml) -> Iterator[Finding]:
    given = {_NAMES.get(key, key) for key in measure.model_fields_set} - {"kind", "title"}
    for key in sorted(given.difference(_OF_MEASURES[measure.kind])):
        yield source.problem(("measures", name, key), f"{name}: a {measure.kind} takes no {key!r}; it would be ignored")
    goals = {key: goal for key in ("at_least", "at_most") if (goal := getattr(measure, key)) is not None}
    if len(goals) > 1:
        yield source.problem(("measures", name), f"{name}: one goal, 'at_least' or 'at_most'")
    for key, goal in goals.items():
        example = _GOALS.get(measure.kind)
        if example and not _is_goal(measure.kind, str(goal)):
            problem = f"{name}: {goal!r} is not a goal for a {measure.kind}; write {example}"
            yield source.problem(("measures", name, key), problem)


def _is_goal(kind: str, goal: str) -> bool:
    try:
        parse_duration(goal) if kind == "time" else float(goal.removesuffix("%"))
    except ValueError:
        return False
    return True


def _paths(source: Source) -> Iterator[Finding]:
    """Unknown values in places where only their form was checked."""
    y = source.yaml
    for path, value in _values(y):
        if not is_known(value):
            yield source.problem(path, f"no order has {value!r}; write eta, price or attributes.x")
    attributes = scope_of(y).attributes
    dates: list[tuple[YamlPath, str]] = [(("expected_end",), value) for value in y.expected_end]
    dates += [(("clocks", name, "date"), clock.date) for name, clock in y.clocks.items() if clock.date]
    for path, value in dates:
        kind = type_at(value, attributes)
        if kind not in _DATES and not (kind == "any" and value.startswith("attributes.")):
            problem = f"{value} is not a date of an order; write eta, appointment.start or attributes.x"
            yield source.problem(path, problem)


def _values(y: WorkflowYaml) -> Iterator[tuple[YamlPath, str]]:
    for name, status in y.statuses.items():
        yield from ((("statuses", name, "needs"), need.what) for need in status.needs)
    if y.parts and y.parts.expected:
        yield ("parts", "expected"), y.parts.expected
    for name, notice in y.notices.items():
        if notice.on_change:
            yield from ((("notices", name, "on_change"), path) for path in notice.on_change.path)
    for name, measure in y.measures.items():
        if measure.path:
            yield ("measures", name, "path"), measure.path
    for kind, clocks in (("clocks", y.clocks), ("follow_ups", y.follow_ups)):
        for name, clock in clocks.items():
            if clock.calendar is not None and not isinstance(clock.calendar, str):
                yield (kind, name, "calendar"), clock.calendar.by


def _nearly_declared(source: Source) -> Iterator[Finding]:
    """Names that look like misspelt declared ones: such a value never comes."""
    declared = source.yaml.attributes
    for path, value in _values(source.yaml):
        head, _, name = value.partition(".")
        near = difflib.get_close_matches(name, declared, n=1, cutoff=0.8)
        if head == "attributes" and name not in declared and near and name.rstrip("s") != near[0].rstrip("s"):
            yield source.problem(path, f"{value} is not declared; did you mean attributes.{near[0]}?")


def _calls(source: Source) -> Iterator[Finding]:
    y = source.yaml
    for kind, called in (("teams", y.teams), ("calls", y.calls)):
        for name, team in called.items():
            if not _ascending(team.levels):
                problem = (
                    f"{name}: each level's 'after' counts from the opening, and cannot be shorter than the one before"
                )
                yield source.problem((kind, name, "levels"), problem)
            if team.remind_every is not None and not team.remind_every:
                yield source.problem(
                    (kind, name, "remind_every"), f"{name}: would remind endlessly; write a length above zero"
                )


def _ascending(levels: Sequence[LevelYaml]) -> bool:
    return all(one.after <= other.after for one, other in pairwise(levels))


def _quiet_hours(source: Source) -> Iterator[Finding]:
    y = source.yaml
    problem: list[tuple[YamlPath, QuietYaml | None]] = [(("quiet_hours",), y.quiet_hours)]
    problem += [(("teams", name, "quiet_hours"), team.quiet_hours) for name, team in y.teams.items()]
    for path, quiet in problem:
        if quiet and quiet.start == quiet.end.replace("24:00", "00:00"):
            yield source.problem(path, f"begin and end at {quiet.start}, so that they would never end")


def _moments(source: Source) -> Iterator[Finding]:
    """Lengths that must be above zero."""
    for name, notice in source.yaml.notices.items():
        lengths = {
            "valid_for": notice.valid_for,
            "bundle": notice.bundle.within if notice.bundle else None,
            "throttle": notice.throttle.within if notice.throttle else None,
        }
        for key, length in lengths.items():
            if length is not None and not length:
                yield source.problem(("notices", name, key), f"{name}: {key!r} has no length; write one above zero")


def _sent_notices(y: WorkflowYaml) -> set[str]:
    """The notices sent by statuses, clocks, follow-ups, replies or new rows of lists."""
    sent = {n.notice for status in y.statuses.values() for n in status.notify}
    for clock in y.clocks.values():
        sent |= {n.notice for n in (clock.notify, clock.at_warning.notify if clock.at_warning else None) if n}
    sent |= {f.notify.notice for f in y.follow_ups.values() if f.notify}
    sent |= {each.greet.notify for each in y.lists.values() if each.greet}
    return sent | {getattr(reply, key) for reply in y.replies.values() for key in NOTICES}


def _notice(source: Source, name: str, notice: NoticeYaml) -> Iterator[Finding]:
    y = source.yaml
    own = channels_of(notice)
    for brand in y.brands.values():
        own += [*brand.channels, *(brand.notices[name].channels if name in brand.notices else ())]
    channels = {*own, *(y.fallback[channel] for channel in own if channel in y.fallback)}
    if notice.whatsapp_content and "whatsapp" not in channels:
        problem = f"{name}: 'whatsapp_content' is for whatsapp, by which this is not sent"
        yield source.problem(("notices", name, "whatsapp_content"), problem)

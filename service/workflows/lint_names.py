"""The names that a pack uses and must declare, such as a status in a clock's `in`."""

import difflib
from collections.abc import Iterable, Iterator

from service.workflows import build_acts, build_lists, build_parties, build_replies
from service.workflows.schema import WorkflowYaml
from service.workflows.schema_clocks import ClockYaml, FollowUpYaml
from service.workflows.schema_times import CalendarByYaml
from service.workflows.source import Finding, Source
from service.workflows.yaml_lines import YamlPath


def check(source: Source) -> Iterator[Finding]:
    y = source.yaml
    if y.workflow != source.file.parent.name:
        yield source.problem(("workflow",), f"is {y.workflow!r}, but its folder is {source.file.parent.name!r}")
    for path, kind, name, known in references(y):
        yield from unknown(source, path, kind, name, known)


def unknown(source: Source, path: YamlPath, kind: str, name: str, known: Iterable[str]) -> Iterator[Finding]:
    """The message about an unknown name, with the nearest known one."""
    if name not in (known := list(known)):
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known) or 'none'}"
        yield source.problem(path, f"unknown {kind} {name!r}{hint}")


def references(y: WorkflowYaml) -> Iterator[tuple[YamlPath, str, str, list[str]]]:
    """Every name that must be declared elsewhere: where it is used, of what kind, and the known names."""
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
        # Lists are seen by many people, so personal data is shown only on the order's page.
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
        for notice, own in brand.notices.items():
            yield ("brands", name, "notices", notice), "notice", notice, list(y.notices)
            for locale in own.whatsapp_content:
                yield ("brands", name, "notices", notice, "whatsapp_content", locale), "locale", locale, y.locales


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
    """The names of all calendars that a clock may use."""
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

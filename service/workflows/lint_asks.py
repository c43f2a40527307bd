"""Finds mistakes in manual notices: keys that nothing reads, and values that nobody could fill in."""

from collections.abc import Iterator
from typing import Final

from service.domain.order import DATA_FIELDS
from service.workflows import build
from service.workflows.schema import NoticeYaml, WorkflowYaml
from service.workflows.source import Finding, Source

DATES: Final = ("date", "datetime")


def check(source: Source) -> Iterator[Finding]:
    """All problems of `in` and `asks`."""
    notified_by = dict(_notified_by(source.yaml))
    for name, notice in source.yaml.notices.items():
        if not notice.manual:
            for key in ("in", "asks"):
                if key in notice.model_fields_set or f"{key}_" in notice.model_fields_set:
                    problem = f"{name}: {key!r} is for notices that agents send; give it 'manual'"
                    yield source.problem(("notices", name, key), problem)
            continue
        if notice.asks and (by := notified_by.get(name) or _trigger(notice)):
            problem = f"{name}: {by} sends it, too, where nobody can fill in what it asks"
            yield source.problem(("notices", name, "asks"), problem)
        yield from _asks(source, name, notice)


def _asks(source: Source, name: str, notice: NoticeYaml) -> Iterator[Finding]:
    for field, ask in notice.asks.items():
        where = ("notices", name, "asks", field)
        if ask.ahead and ask.type not in DATES:
            yield source.problem(where, f"{field}: only a date can lie ahead; its type is {ask.type}")
        if ask.default and ask.default.partition(".")[0] not in DATA_FIELDS:
            problem = (
                f"{field}: no order has {ask.default!r}; known are {', '.join(DATA_FIELDS)} and what is below them"
            )
            yield source.problem(where, problem)
        for locale in build.untitled(source.yaml, ask.title) if ask.title else ():
            yield source.problem(where, f"{field}: no title in {locale!r}")


def _trigger(notice: NoticeYaml) -> str:
    keys = ("on_assignee_change", "on_assigned", "on_note", "on_change", "on_rows")
    return next((key for key in keys if getattr(notice, key)), "")


def _notified_by(y: WorkflowYaml) -> Iterator[tuple[str, str]]:
    for name, status in y.statuses.items():
        yield from ((n.notice, f"status {name}") for n in status.notify)
    for name, clock in y.clocks.items():
        notices = [clock.notify, clock.at_warning.notify if clock.at_warning else None]
        yield from ((n.notice, f"clock {name}") for n in notices if n)
    yield from ((f.notify.notice, f"follow-up {name}") for name, f in y.follow_ups.items() if f.notify)

"""Finds mistakes in lists: columns that no value fits, greetings that reach nobody."""

from collections.abc import Iterator
from typing import Final

from service.workflows import build
from service.workflows.schema_lists import ListYaml
from service.workflows.source import Finding, Source

REACHED_BY: Final = ("phone", "email")


def check(source: Source) -> Iterator[Finding]:
    """All problems of `lists`."""
    for name, declared in source.yaml.lists.items():
        for locale in build.untitled(source.yaml, declared.title) if declared.title else ():
            yield source.problem(("lists", name, "title"), f"{name}: the list has no title in {locale!r}")
        yield from _columns(source, name, declared)
        yield from _greeting(source, name, declared)
        every = [e.every for e in declared.exports]
        for twice in sorted({e for e in every if every.count(e) > 1 and _is_same(declared, e)}):
            yield source.problem(("lists", name, "exports"), f"{name}: two exports every {twice} to the same audience")


def _is_same(declared: ListYaml, every: str) -> bool:
    to = [e.to for e in declared.exports if e.every == every]
    return len(to) != len(set(to))


def _columns(source: Source, name: str, declared: ListYaml) -> Iterator[Finding]:
    for column, c in declared.columns.items():
        where = ("lists", name, "columns", column)
        if c.type == "choice" and not c.choices:
            yield source.problem(where, f"{column}: a choice needs 'choices', or no row could be taken")
        if c.choices and c.type != "choice":
            yield source.problem(where, f"{column}: 'choices' is for the type choice; its type is {c.type}")
        if len({choice.casefold() for choice in c.choices}) < len(c.choices):
            yield source.problem(where, f"{column}: two of its choices differ only in upper and lower case")
        if c.unique and c.type == "boolean":
            yield source.problem(where, f"{column}: 'unique' on a boolean column allows two rows at most")
        for locale in build.untitled(source.yaml, c.title) if c.title else ():
            yield source.problem(where, f"{column}: the column has no title in {locale!r}")


def _greeting(source: Source, name: str, declared: ListYaml) -> Iterator[Finding]:
    greet, notices = declared.greet, source.yaml.notices
    if greet is None:
        return
    where = ("lists", name, "greet")
    column = declared.columns.get(greet.when)
    if column and column.type != "boolean":
        yield source.problem(where, f"{name}: {greet.when!r} must be a boolean column")
    if all(c.type not in REACHED_BY for c in declared.columns.values()):
        yield source.problem(where, f"{name}: 'greet' needs a column of the type phone or email")
    notice = notices.get(greet.notify)
    if notice and (notice.manual or notice.secret or notice.once or notice.throttle):
        problem = (
            f"{name}: {greet.notify!r} is manual, has a secret, or is throttled; name a notice that is none of these"
        )
        yield source.problem(where, problem)

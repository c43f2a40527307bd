"""Finds mistakes in acts: values that nobody could give or that would be ignored, and missing titles."""

from collections.abc import Iterable, Iterator
from typing import Final

from service.domain.acts import GIVEN, TAKES
from service.workflows.build import starts, untitled
from service.workflows.schema_acts import ActYaml, LinkActYaml, acts_of, choices_of, link_acts_of
from service.workflows.schema_words import Titles
from service.workflows.source import Finding, Source
from service.workflows.yaml_lines import YamlPath

ATTRIBUTES: Final = "attributes."


def check(source: Source) -> Iterator[Finding]:
    """All problems of `acts`, and of the choices that their forms offer."""
    y = source.yaml
    for name, act in acts_of(y.acts):
        for key in ("to", "sets", "lines", "people", "prefix"):
            if getattr(act, key) and key not in TAKES[name]:
                yield source.problem(("acts", name, key), f"{name}: takes no {key!r}; it would be ignored")
        yield from _paths(source, ("acts", name, "sets"), name, act.sets)
        if name in ("set_dates", "quote") and not act.sets:
            yield source.problem(("acts", name), f"{name}: sets nothing; list what it may set under 'sets'")
        if name == "create" and act.to and not set(act.to) <= starts(y):
            problem = f"create: an order starts as {', '.join(sorted(starts(y)))}"
            yield source.problem(("acts", name, "to"), problem)
        if name in ("change_status", "create"):
            yield from _entries(source, name, act)
        yield from _titles(source, ("acts", name, "title"), name, act.title)
    for role, name, button in link_acts_of(y.acts):
        yield from _button(source, ("acts", "by_link", role, name), name, button)
    for name, attribute in y.attributes.items():
        if attribute.choices and attribute.type != "text":
            problem = f"{name}: 'choices' are for texts; this is declared as {attribute.type}"
            yield source.problem(("attributes", name), problem)


def _entries(source: Source, name: str, act: ActYaml) -> Iterator[Finding]:
    for status, entry in act.to.items():
        where: YamlPath = ("acts", name, "to", status)
        yield from _paths(source, where, name, entry.sets or ())
        yield from _titles(source, where, f"{name} to {status}", entry.title)
        yield from _code(source, where, status)


def _button(source: Source, where: YamlPath, name: str, button: LinkActYaml) -> Iterator[Finding]:
    yield from _titles(source, where, name, button.title)
    yield from _paths(source, where, name, (*button.sets, *button.needs))
    choices = choices_of(button)
    if not choices or (button.choices and (button.to or button.report)):
        yield source.problem(where, f"{name}: needs exactly one of 'to', 'report' and 'choices'")
    for choice in choices.values():
        if (choice.to is None) == (choice.report is None):
            yield source.problem(where, f"{name}: each of its choices needs either 'to' (a status) or 'report'")
        yield from _titles(source, where, name, choice.title)
        yield from _code(source, where, choice.to or "")


def _paths(source: Source, where: YamlPath, name: str, paths: Iterable[str]) -> Iterator[Finding]:
    for path in paths:
        if path not in GIVEN and not (
            path.startswith(ATTRIBUTES) and path[len(ATTRIBUTES) :] in source.yaml.attributes
        ):
            problem = f"{name}: unknown input {path!r}; known are {', '.join(GIVEN)} and declared attributes"
            yield source.problem(where, problem)


def _titles(source: Source, where: YamlPath, name: str, titles: Titles) -> Iterator[Finding]:
    """Titles must be given in all of the pack's languages, or in none."""
    for locale in untitled(source.yaml, titles) if titles else ():
        yield source.problem(where, f"{name}: no title in {locale!r}")


def _code(source: Source, where: YamlPath, status: str) -> Iterator[Finding]:
    """Refuse statuses whose notices carry a one-time code: people never type codes."""
    y = source.yaml
    notified = y.statuses[status].notify if status in y.statuses else ()
    if any(n.notice in y.notices and y.notices[n.notice].secret for n in notified):
        problem = f"{status!r} sends a code, which only an event can bring; it cannot be entered by hand"
        yield source.problem(where, problem)

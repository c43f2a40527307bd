"""Finds mistakes in the demo: unknown names, and values that its steps lack."""

from collections.abc import Iterator
from typing import Final

import msgspec

from service.domain.attributes import checked
from service.domain.calendars import is_zone
from service.domain.errors import Rejection
from service.domain.events import PersonGiven
from service.domain.json_object import JsonObject
from service.workflows.build import scope_of
from service.workflows.lint_names import unknown
from service.workflows.schema import WorkflowYaml
from service.workflows.schema_demo import DemoStepYaml
from service.workflows.source import Finding, Source
from service.workflows.yaml_lines import YamlPath

_PERSON: Final = PersonGiven.__struct_fields__


def check(source: Source) -> Iterator[Finding]:
    """All problems of `demo`."""
    demo = source.yaml.demo
    if demo.timezone and not is_zone(demo.timezone):
        problem = f"unknown time zone {demo.timezone!r}; write one like 'Asia/Kolkata'"
        yield source.problem(("demo", "timezone"), problem)
    if demo.price and demo.price.from_ >= demo.price.to:
        yield source.problem(("demo", "price"), "the range is empty; write 'from' below 'to'")
    for audience, people in demo.people.items():
        for person in people if isinstance(people, list) else [people]:
            for key in person:
                yield from unknown(source, ("demo", "people", audience), "field of a person", key, _PERSON)
            if problem := _no_person(person):
                yield source.problem(("demo", "people", audience), f"{audience}: is not a valid person: {problem}")
    needed: dict[str, tuple[str, ...]] = {"customers": ("locales", "timezone")} if demo.customers else {}
    for path, step, is_ours in _steps(source.yaml):
        yield from _names(source, path, step) if is_ours else ()
        needed |= {"assignee": ("assignees", "role")} if step.assignee else {}
        needed |= {"price": ("price",)} if step.price else {}
    for key, parts in needed.items():
        for part in parts:
            if not getattr(demo, part):
                yield source.problem(("demo",), f"{key!r} needs {part!r}, from which it is made up")


def _no_person(person: JsonObject) -> str:
    """Why an event could not have such a person; empty for a valid one."""
    try:
        msgspec.convert(person, PersonGiven)
    except msgspec.ValidationError as error:
        return str(error)
    return ""


def _steps(y: WorkflowYaml) -> Iterator[tuple[YamlPath, DemoStepYaml, bool]]:
    """All steps, and whether their names are this pack's: those of a part may be another's."""
    for i, scenario in enumerate(y.demo.scenarios):
        where = ("demo", "scenarios", i)
        yield from (((*where, "steps", j), step, True) for j, step in enumerate(scenario.steps))
        for n, part in enumerate(scenario.parts):
            is_ours = part.workflow in (None, y.workflow)
            yield from (((*where, "parts", n, "steps", j), step, is_ours) for j, step in enumerate(part.steps))


def _names(source: Source, path: YamlPath, step: DemoStepYaml) -> Iterator[Finding]:
    y = source.yaml
    named = (("status", step.status, y.statuses), ("reason", step.issue, y.reasons), ("brand", step.brand, y.brands))
    for kind, name, known in named:
        if name is not None:
            yield from unknown(source, path, kind, name, known)
    try:
        checked(step.attributes, scope_of(y).attributes, y.timezone, "attributes")
    except Rejection as rejection:
        yield source.problem((*path, "attributes"), rejection.reason)

"""Finds mistakes in the events that clocks publish: unknown values, and personal ones."""

from collections.abc import Iterator
from typing import Final

from service.domain.conditions.fields import type_at
from service.workflows.build import scope_of
from service.workflows.schema import WorkflowYaml
from service.workflows.schema_clocks import PublishYaml
from service.workflows.source import Finding, Source
from service.workflows.yaml_lines import YamlPath

# Event types with a fixed meaning.
_TAKEN: Final = ("order.", "escalation.", "notification.", "customer.", "digest.")
_OF_PERSONS: Final = (
    "assignee.name",
    "previous_assignee",
    "note",
    "note.text",
    "payment",
    "payment.reference",
    "assignee",
)


def check(source: Source) -> Iterator[Finding]:
    """All problems of `publish`."""
    attributes = scope_of(source.yaml).attributes
    for path, publish in _published(source.yaml):
        if publish.type.startswith(_TAKEN):
            problem = f"{publish.type}: this event type is reserved for Stagebell; choose another, such as slot.expired"
            yield source.problem((*path, "type"), problem)
        for name, value in publish.data.items():
            declared = attributes.get(value.split(".")[1]) if value.startswith("attributes.") else None
            if type_at(value, attributes) is None:
                yield source.problem((*path, "data", name), f"no order has {value!r}; write eta, price or attributes.x")
            elif value in _OF_PERSONS or value.startswith("recipients.") or (declared and declared.personal):
                yield source.problem((*path, "data", name), f"{value} is personal data, which is not published")


def _published(y: WorkflowYaml) -> Iterator[tuple[YamlPath, PublishYaml]]:
    for name, clock in y.clocks.items():
        if clock.publish:
            yield ("clocks", name, "publish"), clock.publish
        if clock.at_warning and clock.at_warning.publish:
            yield ("clocks", name, "at_warning", "publish"), clock.at_warning.publish
    for name, follow_up in y.follow_ups.items():
        if follow_up.publish:
            yield ("follow_ups", name, "publish"), follow_up.publish

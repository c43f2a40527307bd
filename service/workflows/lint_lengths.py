"""What may be wrong with lengths and time zones that an order's data says."""

from collections.abc import Iterator
from typing import Final

from service.domain.conditions.fields import type_at
from service.workflows.build import scope_of
from service.workflows.build_clocks import unit_of
from service.workflows.lint import Finding, Source
from service.workflows.schema_times import LengthFromYaml, ZoneFromYaml
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
    attributes = scope_of(y).attributes
    for name, calendar in y.calendars.items():
        if isinstance(calendar.timezone, ZoneFromYaml):
            kind = type_at(calendar.timezone.from_, attributes)
            if kind not in ("text", "any"):
                said = f"{calendar.timezone.from_} is no text, and names no time zone"
                yield source.problem(("calendars", name, "timezone"), said)


def _length(source: Source, path: YamlPath, length: LengthFromYaml) -> Iterator[Finding]:
    head, _, name = length.from_.partition(".")
    declared = source.yaml.attributes.get(name) if head == "attributes" else None
    if declared is None or declared.type not in ("number", "text"):
        said = f"declared as {declared.type}" if declared else "not declared"
        yield source.problem(path, f"{length.from_} is {said}; a length is a number, or a text such as '3 days'")
    elif declared.type == "number" and not unit_of(length):
        yield source.problem(path, f"{length.from_}: a number of what? {_WRITE}")

"""Builds the domain's lists from a pack's `lists`."""

from collections.abc import Iterator

from service.domain.lists import Column, Greeting, ListExport, ListSpec
from service.workflows.schema import WorkflowYaml
from service.workflows.schema_lists import ListYaml
from service.workflows.yaml_lines import YamlPath


def lists(yaml: WorkflowYaml) -> dict[str, ListSpec]:
    """The lists as declared; without statuses, changeable in every one that is not final."""
    open_ones = frozenset(n for n, s in yaml.statuses.items() if not s.final)
    return {name: _list(name, y, open_ones) for name, y in yaml.lists.items()}


def _list(name: str, yaml: ListYaml, open_ones: frozenset[str]) -> ListSpec:
    return ListSpec(
        name=name,
        columns={
            n: Column(n, c.type, c.title, c.required, c.is_personal, c.unique, tuple(c.choices))
            for n, c in yaml.columns.items()
        },
        titles=yaml.title,
        roles=frozenset(yaml.roles),
        statuses=frozenset(yaml.in_) or open_ones,
        greeting=Greeting(yaml.greet.notify, yaml.greet.when) if yaml.greet else None,
        exports=tuple(ListExport(e.every, e.at, e.to, e.format) for e in yaml.exports),
    )


def references(y: WorkflowYaml) -> Iterator[tuple[YamlPath, str, str, list[str]]]:
    """Every name that lists use, and every use of a list: where, of what kind, and the known names."""
    for name, declared in y.lists.items():
        for role in declared.roles:
            yield ("lists", name, "roles"), "role", role, ["agent", "supervisor", "admin", *y.parties]
        for status in declared.in_:
            yield ("lists", name, "in"), "status", status, list(y.statuses)
        if declared.greet:
            yield ("lists", name, "greet", "notify"), "notice", declared.greet.notify, list(y.notices)
            yield ("lists", name, "greet", "when"), "column", declared.greet.when, list(declared.columns)
    for name, notice in y.notices.items():
        for used in notice.on_rows:
            yield ("notices", name, "on_rows"), "list", used, list(y.lists)

"""From a pack's `acts` to the domain's."""

from collections.abc import Iterator

from service.domain.acts import Act
from service.workflows.schema import WorkflowYaml
from service.workflows.schema_acts import ActsYaml, ActYaml
from service.workflows.yaml_lines import YamlPath


def acts(yaml: WorkflowYaml) -> dict[str, Act]:
    """As declared; where nothing is said of statuses, in every one that is not the end."""
    open_ones = frozenset(n for n, s in yaml.statuses.items() if not s.final)
    return {
        name: Act(name, frozenset(a.roles), frozenset(a.in_) or open_ones, tuple(a.to), tuple(a.sets))
        for name, a in declared(yaml.acts)
    }


def declared(acts: ActsYaml) -> Iterator[tuple[str, ActYaml]]:
    """Those that the pack names."""
    for name in ActsYaml.model_fields:
        if (act := getattr(acts, name)) is not None:
            yield name, act


def references(y: WorkflowYaml) -> Iterator[tuple[YamlPath, str, str, list[str]]]:
    """Every status that acts use: where, what it is, and what is known."""
    for name, act in declared(y.acts):
        for status in act.in_:
            yield ("acts", name, "in"), "status", status, list(y.statuses)
        if name in ("change_status", "create"):
            for status in act.to:
                yield ("acts", name, "to"), "status", status, list(y.statuses)

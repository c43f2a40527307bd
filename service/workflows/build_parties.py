"""Builds the domain's parties from a pack's `parties`."""

from collections.abc import Iterator

from service.domain.party_rules import PartyRules
from service.workflows.schema import WorkflowYaml
from service.workflows.yaml_lines import YamlPath


def parties(yaml: WorkflowYaml) -> dict[str, PartyRules]:
    """The parties as declared."""
    return {name: PartyRules(frozenset(p.sees), frozenset(p.to_do)) for name, p in yaml.parties.items()}


def references(y: WorkflowYaml) -> Iterator[tuple[YamlPath, str, str, list[str]]]:
    """Every status that parties use: where, of what kind, and the known names."""
    for name, party in y.parties.items():
        for status in party.to_do:
            yield ("parties", name, "to_do"), "status", status, list(y.statuses)

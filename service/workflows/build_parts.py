"""Builds the domain's part rules from a pack's `parts`."""

from service.domain.parts import RESERVED, PartRule, PartRules
from service.workflows.conditions import ConditionScope, condition
from service.workflows.schema import WorkflowYaml
from service.workflows.schema_parts import PartRuleYaml


def parts(yaml: WorkflowYaml, scope: ConditionScope) -> PartRules | None:
    """The rules of parts as declared; parts are orders of the same workflow by default."""
    if yaml.parts is None:
        return None
    rules = tuple(_rule(rule, scope) for rule in yaml.parts.rules)
    return PartRules(of(yaml), rules, yaml.parts.expected or "")


def of(yaml: WorkflowYaml) -> frozenset[str]:
    """The workflows of which the pack's orders may have parts."""
    return frozenset(yaml.parts.of or [yaml.workflow]) if yaml.parts else frozenset()


def names_of_parts(yaml: WorkflowYaml) -> tuple[str, ...] | None:
    """The names that may follow `parts.` in a path; None if they are another pack's."""
    if yaml.parts is None:
        return ()
    return (*yaml.statuses, *yaml.stages, *RESERVED) if of(yaml) == {yaml.workflow} else None


def _rule(yaml: PartRuleYaml, scope: ConditionScope) -> PartRule:
    return PartRule(
        yaml.to,
        frozenset(yaml.all),
        frozenset(yaml.any),
        frozenset(yaml.none),
        condition(yaml.when, scope),
        summary(yaml),
    )


def summary(yaml: PartRuleYaml) -> str:
    """The rule in a few words, for the timeline."""
    clauses = [f"{key} {' or '.join(names)}" for key in ("all", "any", "none") if (names := getattr(yaml, key))]
    return ", ".join([*clauses, *(["when its condition holds"] if yaml.when else [])])

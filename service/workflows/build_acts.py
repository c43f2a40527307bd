"""Builds the domain's acts from a pack's `acts`."""

from collections.abc import Iterator

from service.domain.acts import Act, LinkAct, LinkChoice, StatusEntry
from service.workflows.schema import WorkflowYaml
from service.workflows.schema_acts import ActYaml, acts_of, choices_of, link_acts_of
from service.workflows.yaml_lines import YamlPath

PREFIX_LETTERS = 3


def acts(yaml: WorkflowYaml) -> dict[str, Act]:
    """The acts as declared; without statuses, in every one that is not final."""
    return {name: _act(name, a, yaml) for name, a in acts_of(yaml.acts)}


def _act(name: str, a: ActYaml, yaml: WorkflowYaml) -> Act:
    return Act(
        name,
        frozenset(a.roles),
        frozenset(a.in_) or open_statuses(yaml),
        tuple(a.to),
        (*a.sets, *_lines(a)),
        a.title,
        {
            s: StatusEntry(s, e.title, frozenset(e.roles), None if e.sets is None else tuple(e.sets))
            for s, e in a.to.items()
        },
        a.lines or "",
        tuple(a.people),
        a.prefix or prefix_of(yaml.workflow),
    )


def _lines(a: ActYaml) -> tuple[str, ...]:
    """The values of a quote, with its lines even where the pack does not list them."""
    path = f"attributes.{a.lines}"
    return (path,) if a.lines and path not in a.sets else ()


def open_statuses(yaml: WorkflowYaml) -> frozenset[str]:
    """The statuses that are not final."""
    return frozenset(n for n, s in yaml.statuses.items() if not s.final)


def prefix_of(workflow: str) -> str:
    """The prefix of ids of orders created by hand: the initials of the workflow's words, or letters of its only one."""
    words = [w for w in workflow.split("_") if w]
    return "".join(w[0] for w in words).upper() if len(words) > 1 else workflow[:PREFIX_LETTERS].upper()


def link_acts(yaml: WorkflowYaml) -> tuple[LinkAct, ...]:
    """The buttons of the assignees' pages."""
    return tuple(
        LinkAct(
            name,
            role,
            a.title,
            frozenset(a.in_) or open_statuses(yaml),
            tuple(LinkChoice(n, c.title, c.to or "", c.report or "") for n, c in choices_of(a).items()),
            tuple(a.needs),
            tuple(a.sets),
        )
        for role, name, a in link_acts_of(yaml.acts)
    )


def references(y: WorkflowYaml) -> Iterator[tuple[YamlPath, str, str, list[str]]]:
    """Every name that acts use: where, of what kind, and the known names."""
    for name, act in acts_of(y.acts):
        for status in act.in_:
            yield ("acts", name, "in"), "status", status, list(y.statuses)
        if name in ("change_status", "create"):
            for status in act.to:
                yield ("acts", name, "to"), "status", status, list(y.statuses)
        if act.lines:
            yield ("acts", name, "lines"), "attribute", act.lines, list(y.attributes)
    for role, name, button in link_acts_of(y.acts):
        where: YamlPath = ("acts", "by_link", role, name)
        for status in button.in_:
            yield (*where, "in"), "status", status, list(y.statuses)
        for choice in choices_of(button).values():
            if choice.to:
                yield where, "status", choice.to, list(y.statuses)
            if choice.report:
                yield where, "reason", choice.report, list(y.reasons)

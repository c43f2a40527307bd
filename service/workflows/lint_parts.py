"""Finds mistakes in the rules that derive a whole's status from its parts, across packs, too."""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations

from service.domain.conditions.fields import type_at
from service.domain.parts import RESERVED
from service.workflows.build import scope_of
from service.workflows.build_parts import names_of_parts, of
from service.workflows.schema import WorkflowYaml
from service.workflows.schema_parts import PartRuleYaml
from service.workflows.source import Finding, Source
from service.workflows.yaml_lines import YamlPath

# The demands of a rule, as sets of statuses.
_KEYS = ("all", "any", "none")


def check(source: Source) -> Iterator[Finding]:
    """Problems that the pack's own YAML shows."""
    y = source.yaml
    for i, rule in enumerate(y.parts.rules if y.parts else []):
        path = ("parts", "rules", i)
        if rule.to not in y.statuses:
            near = difflib.get_close_matches(rule.to, y.statuses, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(y.statuses)}"
            yield source.problem((*path, "to"), f"unknown status {rule.to!r}; {hint}")
        elif any(need.what == "note" for need in y.statuses[rule.to].needs):
            yield source.problem((*path, "to"), f"{rule.to}: needs a note, which a part cannot supply")
        if not (rule.all or rule.any or rule.none or rule.when):
            yield source.problem(
                path, f"{rule.to}: sets no condition on the parts; give it 'all', 'any', 'none' or 'when'"
            )
    yield from _outside_conditions(source)
    yield from _expected(source)
    for name in RESERVED:
        if y.workflow in of(y) and name in {*y.statuses, *y.stages}:
            yield source.problem(("parts",), f"{name}: parts.{name} has another meaning; rename the status")


def _outside_conditions(source: Source) -> Iterator[Finding]:
    """Unknown names of parts' statuses and stages, outside of conditions."""
    y, known = source.yaml, names_of_parts(source.yaml)
    paths: list[tuple[YamlPath, str]] = [
        (("notices", name, "on_change", "path"), path)
        for name, notice in y.notices.items()
        for path in (notice.on_change.path if notice.on_change else ())
    ]
    paths += [(("clocks", name, "date"), clock.date) for name, clock in y.clocks.items() if clock.date]
    for path, value in paths:
        head, _, name = value.partition(".")
        if head == "parts" and name and known is not None and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}"
            yield source.problem(path, f"no part has a status or stage {name!r}; {hint}")


def _expected(source: Source) -> Iterator[Finding]:
    """An `expected` that is not a number: it would be unknown how many parts there will be."""
    y = source.yaml
    if y.parts is None or y.parts.expected is None:
        return
    path, value = ("parts", "expected"), y.parts.expected
    kind = type_at(value, scope_of(y).attributes)
    if kind is not None and kind not in ("number", "list", "any"):
        yield source.problem(path, f"{value} is of type {kind}, not a number of parts; declare it as number")


def across(sources: Sequence[Source]) -> Iterator[Finding]:
    """Problems that show only when all packs of a folder are checked together."""
    known = {s.yaml.workflow: s.yaml for s in sources}
    for source in sources:
        yield from _of_rules(source, known, alone=len(sources) == 1)
        yield from _of_notices(source, known, alone=len(sources) == 1)


def _of_rules(source: Source, known: Mapping[str, WorkflowYaml], *, alone: bool) -> Iterator[Finding]:
    y = source.yaml
    if y.parts is None:
        return
    missing = sorted(of(y) - known.keys())
    if missing:
        if not alone:
            yield source.problem(("parts", "of"), f"unknown workflow {missing[0]!r}; known: {', '.join(sorted(known))}")
        return
    named = _statuses_of([known[name] for name in sorted(of(y))])
    for i, rule in enumerate(y.parts.rules):
        for key in _KEYS:
            yield from _names(source, ("parts", "rules", i, key), getattr(rule, key), named)
    for (i, first), (j, later) in combinations(enumerate(y.parts.rules), 2):
        if first.when is None and _follows(first, later, named):
            problem = f"rule {j + 1} never applies: rule {i + 1} holds whenever it does and comes first; move it up"
            yield source.problem(("parts", "rules", j), problem)


def _names(
    source: Source, path: YamlPath, names: Iterable[str], named: Mapping[str, frozenset[str]]
) -> Iterator[Finding]:
    for name in names:
        if name not in named:
            near = difflib.get_close_matches(name, named, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(named)}"
            yield source.problem(path, f"no part has a status or stage {name!r}; {hint}")


def _statuses_of(workflows: Iterable[WorkflowYaml]) -> dict[str, frozenset[str]]:
    """By name of a status or stage, the statuses that it means."""
    found: dict[str, frozenset[str]] = {}
    for y in workflows:
        for name, status in y.statuses.items():
            for key in (name, status.stage):
                found[key] = found.get(key, frozenset()) | {f"{y.workflow}.{name}"}
    return found


def _follows(first: PartRuleYaml, later: PartRuleYaml, named: Mapping[str, frozenset[str]]) -> bool:
    """Whether `first` holds whenever `later` does."""

    def meant(rule: PartRuleYaml, key: str) -> frozenset[str]:
        return frozenset[str]().union(*(named.get(n, frozenset((n,))) for n in getattr(rule, key)))

    every, some, no = (meant(later, key) for key in _KEYS)
    wants_all, wants_any, wants_none = (meant(first, key) for key in _KEYS)
    if wants_all and not (every and every <= wants_all):
        return False
    if wants_any and not ((every and every <= wants_any) or (some and some <= wants_any)):
        return False
    return not wants_none or wants_none <= no or bool(every and every.isdisjoint(wants_none))


def _of_notices(source: Source, known: Mapping[str, WorkflowYaml], *, alone: bool) -> Iterator[Finding]:
    y = source.yaml
    wholes = [whole for whole in known.values() if y.workflow in of(whole)]
    theirs = {name for whole in wholes for name in whole.notices}
    for name, notice in y.notices.items():
        path = ("notices", name, "unless_whole_tells")
        for other in notice.unless_whole_tells:
            if not wholes and not alone:
                yield source.problem(
                    path, f"{name}: orders of {y.workflow} are never parts; no pack names this workflow in 'parts'"
                )
            elif wholes and other not in theirs:
                yield source.problem(path, f"{name}: unknown notice {other!r} of the whole; known: {', '.join(theirs)}")

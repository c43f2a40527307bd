"""Teams across packs: one name is one team, so its declarations must not differ."""

from collections.abc import Sequence
from typing import Final

from service.workflows.schema_teams import TeamYaml
from service.workflows.source import Finding, Source
from service.workflows.yaml_lines import line_of

_CALLS: Final = ("levels", "remind_every")


def differences(sources: Sequence[Source]) -> list[Finding]:
    """Differences between a pack's declaration of a team and an earlier pack's."""
    first: dict[tuple[str, str], tuple[Source, object]] = {}
    problems = []
    for source in sources:
        for name, team in source.yaml.teams.items():
            for key, value in _declaration(source, team).items():
                before, known = first.setdefault((name, key), (source, value))
                if known != value:
                    where = f"{before.file}:{line_of(before.lines, ('teams', name, key))}"
                    problem = f"{name}: {key} is {value} here and {known} in {where}; one name is one team"
                    hint = "; what only this workflow's orders need goes to 'calls'" if key in _CALLS else ""
                    problems.append(source.problem(("teams", name, key), problem + hint))
    return problems


def _declaration(source: Source, team: TeamYaml) -> dict[str, object]:
    """A pack's declaration of a team; with times of day also the time zone, by default the pack's."""
    declared: dict[str, object] = {
        key: getattr(team, key) for key in TeamYaml.model_fields if key in team.model_fields_set
    }
    if team.digest_at or team.quiet_hours:
        declared["timezone"] = team.timezone or source.yaml.timezone
    return declared


def united(sources: Sequence[Source]) -> dict[str, TeamYaml]:
    """Each team with the declarations of all packs merged."""
    declared: dict[str, dict[str, object]] = {}
    for source in sources:
        for name, team in source.yaml.teams.items():
            declared[name] = {**_declaration(source, team), **declared.get(name, {})}
    return {name: TeamYaml.model_construct(_fields_set=set(values), **values) for name, values in declared.items()}

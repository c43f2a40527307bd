"""`stagebell check`."""

import json
from pathlib import Path

import typer

from service import settings as settings_module
from service.relay.teams import unheard
from service.workflows.packs import idle, inspect, old_keys
from service.workflows.schema import WorkflowYaml
from service.workflows.template_remarks import remarks, unused


def check_packs(directory: Path | None) -> int:
    """Print every problem; the exit code."""
    folder = directory or settings_module.load().workflows
    packs, problems = inspect(folder)
    for problem in problems:
        typer.echo(str(problem))
    if problems:
        typer.echo(f"{len(problems)} problem{'s' if len(problems) > 1 else ''}")
        return 1
    for pack in packs:
        w = pack.workflow
        typer.echo(
            f"{w.name} {w.version}: {len(w.statuses)} statuses, {len(w.notices)} notices in {', '.join(w.locales)},"
            f" {len(w.clocks)} clocks, {len(w.reasons)} reasons"
        )
    for warning in (*old_keys(folder), *idle(folder)):
        typer.echo(f"warning: {warning}")
    for remark in (r for pack in packs for r in (*unused(pack), *remarks(pack))):
        typer.echo(f"warning: {remark}")
    for odd in unheard((pack.workflow for pack in packs), _addressed()):
        typer.echo(f"warning: {odd}")
    return 0


def _addressed() -> list[str]:
    """The names for which the settings have addresses; none if the settings are invalid, which does not matter here."""
    try:
        return list(settings_module.load().team_urls)
    except settings_module.SettingsError:
        return []


def print_schema() -> None:
    """The JSON Schema that editors use for completion."""
    schema = WorkflowYaml.model_json_schema(mode="validation")
    typer.echo(json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=1))

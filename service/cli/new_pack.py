"""`stagebell new`: a small valid pack to start from."""

import re
from pathlib import Path
from typing import Final

import typer

from service import settings as settings_module
from service import shipped
from service.workflows.packs import inspect

NAME: Final = re.compile(r"^[a-z][a-z0-9_]{1,40}$")

WORKFLOW: Final = """\
# yaml-language-server: $schema=../workflow.schema.json
# Change what you like; `stagebell check` says with file and line what does not fit.
workflow: {name}
title: {title}
locales: [en]
timezone: UTC

stages:                      # what customers see, in order
  received: {{title: {{en: Order received}}}}
  working: {{title: {{en: We are on it}}}}
  done: {{title: {{en: Done}}}}
  failed: {{title: {{en: Not completed}}, failed: true}}

statuses:                    # what your systems say
  received: {{stage: received, notify: order_received}}
  started: {{stage: working, notify: work_started}}
  finished: {{stage: done, notify: order_finished, final: true}}
  cancelled: {{stage: failed, notify: order_cancelled, final: true}}

transitions:
  path: [received, started, finished]
  forward: next              # one step at a time; `any` lets statuses be passed over
  from_any: [cancelled]
  repeat: update

notices:
  order_received: {{channels: [sms, email]}}
  work_started: {{channels: [sms]}}
  order_finished: {{channels: [sms, email]}}
  order_cancelled: {{channels: [sms, email]}}

clocks:
  started_in_time: {{kind: dwell, in: received, within: 24h, warn_at: 80%, escalate: {{reason: not_started}}}}
  finished_told: {{kind: notify, notice: order_finished, within: 5m, escalate: {{reason: customer_not_notified}}}}

teams:
  operations: {{title: Operations, levels: [{{after: 1h, to: supervisor}}]}}
  tech: {{title: Tech}}

reasons:
  not_started: {{team: operations, severity: high, title: {{en: Nobody has started}}}}
  customer_not_notified: {{team: tech, severity: high, title: {{en: The customer was not told in time}}}}

demo:
  customers: [Asha, Ben]
  assignees: [Ravi]
  role: technician
  locales: [en]
  timezone: UTC
  scenarios:
    - name: smooth
      steps:
        - {{status: received}}
        - {{after: 5m, status: started}}
        - {{after: 20m, status: finished}}
"""
WORDS: Final = {
    "order_received": ("We have your order", "We have your order {{ order.id }} and start soon."),
    "work_started": ("We have started", "We have started on your order {{ order.id }}."),
    "order_finished": ("Your order is done", "Your order {{ order.id }} is done. Thank you!"),
    "order_cancelled": ("Your order was cancelled", "Your order {{ order.id }} was cancelled."),
}
EMAIL: Final = (
    "{{% extends layout %}}\n{{% block subject %}}{subject}{{% endblock %}}\n{{% block body %}}\n"
    "Hello{{% if name %}} {{{{ name }}}}{{% endif %}},\n\n{body}\n{{% endblock %}}\n"
    "{{% block action %}}See your order{{% endblock %}}\n"
)
LAYOUTS: Final = shipped.PACKS / "_layouts"


def make_pack(name: str, directory: Path | None) -> int:
    """Write the pack below `directory` (default: the folder of packs); the exit code."""
    folder = (directory or _own_packs()) / name
    if not NAME.match(name):
        typer.echo(f"{name!r}: a workflow is named in lower case letters, digits and underscores", err=True)
        return 1
    if folder.exists():
        typer.echo(f"{folder} exists already", err=True)
        return 1
    (folder / "en").mkdir(parents=True)
    title = name.replace("_", " ").capitalize()
    (folder / "workflow.yaml").write_text(WORKFLOW.format(name=name, title=title), encoding="utf-8")
    for notice, (subject, body) in WORDS.items():
        sms = f"{{{{ brand }}}}: {body[0].lower()}{body[1:]} {{{{ link }}}}\n"
        (folder / "en" / f"{notice}.sms.j2").write_text(sms, encoding="utf-8")
        if notice != "work_started":
            mail = EMAIL.format(subject=subject, body=body)
            (folder / "en" / f"{notice}.email.j2").write_text(mail, encoding="utf-8")
    _copy_layouts(folder.parent)
    _, problems = inspect(folder.parent)
    mine = [p for p in problems if folder in p.file.parents]
    for problem in mine:
        typer.echo(str(problem), err=True)
    typer.echo(f"{folder} is ready: edit it, then `stagebell check {folder.parent}`")
    return 1 if mine else 0


def _own_packs() -> Path:
    """The folder of the user's packs, which is never that of the packs shipped with Stagebell."""
    packs = settings_module.load().workflows
    return Path("templates") if packs == shipped.PACKS else packs


def _copy_layouts(packs: Path) -> None:
    """Copy the shared mail layouts, which every folder of packs needs."""
    there = packs / "_layouts"
    if there.exists() or not LAYOUTS.is_dir():
        return
    there.mkdir()
    for file in LAYOUTS.glob("*.j2"):
        (there / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")

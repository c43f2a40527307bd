"""All packs of a folder, checked and ready to use."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from service.domain.lifecycle import require_known
from service.domain.workflow import Workflow
from service.workflows import lint, lint_templates
from service.workflows.build import build
from service.workflows.lint import Problem
from service.workflows.templates import PackTemplates


class Pack(Struct, frozen=True):
    """One workflow with its templates."""

    workflow: Workflow
    templates: PackTemplates


class PackError(Exception):
    """The packs cannot be used; `problems` says everything that is wrong."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(p) for p in problems))
        self.problems = problems


class Packs:
    """The packs in use, by workflow name."""

    def __init__(self, packs: Iterable[Pack]) -> None:
        self._packs = {pack.workflow.name: pack for pack in packs}

    def __iter__(self) -> Iterator[Pack]:
        return iter(self._packs.values())

    def get(self, workflow: str) -> Pack:
        """The pack of `workflow`; raises Rejection that names those that are known."""
        require_known("workflow", workflow, self._packs, "data.workflow")
        return self._packs[workflow]

    def find(self, workflow: str) -> Pack | None:
        """The pack of `workflow`, if it is installed."""
        return self._packs.get(workflow)


def load(folder: Path) -> Packs:
    """Every pack below `folder`; raises PackError with all problems of all packs."""
    packs, problems = inspect(folder)
    if problems:
        raise PackError(problems)
    for pack in packs:
        pack.templates.warm()
    return Packs(packs)


def inspect(folder: Path) -> tuple[list[Pack], list[Problem]]:
    """The packs that can be built, and every problem found."""
    files = sorted(folder.glob("*/workflow.yaml"))
    if not files and (folder / "workflow.yaml").is_file():
        files = [folder / "workflow.yaml"]
    if not files:
        return [], [Problem(folder, 1, "no pack here: a pack is a folder with a workflow.yaml")]
    packs: list[Pack] = []
    problems: list[Problem] = []
    for file in files:
        source, found = lint.read(file)
        if source:
            found = lint.check(source)
        if source and not found:
            workflow = build(source.yaml, version_of(file.parent))
            templates = PackTemplates(file.parent)
            found = lint_templates.check(workflow, templates, file)
            packs.append(Pack(workflow, templates))
        problems += found
    return packs, problems


def version_of(folder: Path) -> str:
    """Names this exact text of the pack: a digest of its files."""
    digest = hashlib.sha256()
    for file in sorted([folder / "workflow.yaml", *folder.glob("*/*.j2")]):
        digest.update(file.relative_to(folder).as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]

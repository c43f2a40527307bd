"""All packs of a folder, checked and ready to use, and the earlier versions that running orders use."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from service.domain.transitions import require_known
from service.domain.workflow import Workflow
from service.workflows import (
    lint,
    lint_acts,
    lint_asks,
    lint_brands,
    lint_bundles,
    lint_conditions,
    lint_demo,
    lint_ladders,
    lint_languages,
    lint_lengths,
    lint_lists,
    lint_names,
    lint_parties,
    lint_parts,
    lint_publish,
    lint_replies,
    lint_teams,
    lint_templates,
    lint_unheeded,
    public_holidays,
)
from service.workflows.build import build, build_team
from service.workflows.pack_text import files_of, is_text, version_of
from service.workflows.schema_teams import TeamYaml
from service.workflows.source import Finding, Source, read
from service.workflows.templates import PackTemplates

# Checks of one pack's YAML.
_CHECKS: Final = (
    lint_names.check,
    lint.check,
    lint_asks.check,
    lint_bundles.check,
    lint_conditions.check,
    lint_ladders.check,
    lint_languages.check,
    lint_acts.check,
    lint_brands.check,
    lint_lengths.check,
    lint_lists.check,
    lint_parties.check,
    lint_parts.check,
    lint_publish.check,
    lint_replies.check,
    lint_demo.check,
    lint_unheeded.check,
)


_NEARLY: Final = re.compile(r"workflows?\.ya?ml", re.IGNORECASE)


class Pack(Struct, frozen=True):
    """One workflow with its templates.

    `over`: published texts that replace the folder's, by file below the folder; None: the file is left out.
    """

    workflow: Workflow
    templates: PackTemplates
    over: Mapping[str, str | None] = {}


class PackError(Exception):
    """The packs cannot be used; `problems` says everything that is wrong."""

    def __init__(self, problems: list[Finding]) -> None:
        super().__init__("\n".join(str(p) for p in problems))
        self.problems = problems


class Packs:
    """The packs in use, by workflow name, and earlier versions for the orders that started with them."""

    def __init__(self, packs: Iterable[Pack]) -> None:
        self._packs: dict[str, Pack] = {}
        self._earlier: dict[tuple[str, str], Pack] = {}
        self.replace(packs)

    def __iter__(self) -> Iterator[Pack]:
        return iter(self._packs.values())

    @property
    def workflows(self) -> dict[str, Workflow]:
        """The workflows in use, by name."""
        return {name: pack.workflow for name, pack in self._packs.items()}

    def replace(self, packs: Iterable[Pack]) -> None:
        """Replace the packs in use."""
        for pack in self._packs.values():
            self.remember(pack)
        self._packs = {pack.workflow.name: pack for pack in packs}

    def remember(self, pack: Pack) -> None:
        """Keep an earlier version."""
        self._earlier[pack.workflow.name, pack.workflow.version] = pack

    def get(self, workflow: str) -> Pack:
        """The pack of `workflow`; raises Rejection that names those that are known."""
        require_known("workflow", workflow, self._packs, "data.workflow")
        return self._packs[workflow]

    def find(self, workflow: str, version: str = "") -> Pack | None:
        """The pack of `workflow` (for an order of this version), if it is installed."""
        current = self._packs.get(workflow)
        if not version or current is None or current.workflow.version == version or current.workflow.moves_running:
            return current
        return self._earlier.get((workflow, version), current)

    def for_order(self, workflow: str, version: str) -> Pack:
        """The pack for an order of this version; raises Rejection when its workflow is not installed."""
        return self.find(workflow, version) or self.get(workflow)

    @property
    def of_parts(self) -> frozenset[str]:
        """The workflows whose orders may be parts of others."""
        rules = (pack.workflow.parts for pack in self._packs.values())
        return frozenset[str]().union(*(r.of for r in rules if r))

    def knows(self, workflow: str, version: str) -> bool:
        """Whether an order of this version can be decided without looking for an earlier pack."""
        current = self._packs.get(workflow)
        if current is None or current.workflow.version == version or current.workflow.moves_running:
            return True
        return (workflow, version) in self._earlier


def load(folder: Path) -> Packs:
    """Every pack below `folder`; raises PackError with all problems of all packs."""
    return Packs(load_all(folder))


def load_all(folder: Path) -> list[Pack]:
    """Every pack below `folder`, its templates compiled; raises PackError."""
    packs, problems = inspect(folder)
    if problems:
        raise PackError(problems)
    for pack in packs:
        pack.templates.warm()
    return packs


def build_all(folder: Path) -> list[Pack]:
    """Every pack below `folder`; raises PackError. Call `check_templates` before using them."""
    packs, problems = _built_all(folder)
    if problems:
        raise PackError(problems)
    return packs


def check_templates(packs: Iterable[Pack]) -> None:
    """Raises PackError with all problems of the templates of these packs."""
    problems = [p for pack in packs for p in problems_of(pack)]
    if problems:
        raise PackError(problems)


def problems_of(pack: Pack, notice: str = "") -> list[Finding]:
    """All problems of the pack's templates, or of those of one notice."""
    file = pack.templates.folder / "workflow.yaml"
    if not (pack.over or notice):
        return list(_template_problems(pack.templates.folder, pack.workflow.version))
    # Published texts do not affect the YAML, which was read with the folder.
    source, _ = _read(file, version_of(pack.templates.folder))
    return lint_templates.check(pack.workflow, pack.templates, source, notice) if source else []


def with_texts(pack: Pack, texts: Mapping[str, str | None]) -> Pack:
    """The pack with these texts in place of its own, by file below its folder; None: without that file.

    Its version is the one that a folder with these texts would have.
    """
    over = {**pack.over, **texts}
    workflow = msgspec.structs.replace(pack.workflow, version=version_of(pack.templates.folder, over))
    return Pack(workflow, pack.templates.with_texts(texts), over)


def inspect(folder: Path) -> tuple[list[Pack], list[Finding]]:
    """The packs that can be built, and every problem found."""
    packs, problems = _built_all(folder)
    for pack in packs:
        problems += problems_of(pack)
    return packs, problems


def old_keys(folder: Path) -> Iterator[str]:
    """Keys of these packs that have been renamed, with their new names."""
    for source in _sources(folder):
        for key in source.old_keys:
            warning = f"{key.old!r} is called {key.new!r} now; the old name ends with the next release"
            yield f"{source.file}:{key.line}: {warning}"


def idle(folder: Path) -> Iterator[Finding]:
    """Parts of these packs that have no effect, without being mistakes."""
    for source in _sources(folder):
        yield from lint_unheeded.remarks(source)


def _sources(folder: Path) -> Iterator[Source]:
    for file in _yamls(folder):
        source, _ = _read(file, version_of(file.parent))
        if source:
            yield source


def _yamls(folder: Path) -> list[Path]:
    """The `workflow.yaml` files of a folder of packs, or of one pack."""
    found = sorted(folder.glob("*/workflow.yaml"))
    return found or [file for file in (folder / "workflow.yaml",) if file.is_file()]


def _built_all(folder: Path) -> tuple[list[Pack], list[Finding]]:
    files = _yamls(folder)
    if not files:
        return [], [Finding(folder, 1, "no pack here: a pack is a folder with a workflow.yaml")]
    packs: list[Pack] = []
    problems = list(_misnamed(folder))
    sources: list[Source] = []
    versions = {file: version_of(file.parent) for file in files}
    for file, version in versions.items():
        source, found = _read(file, version)
        sources += [source] if source else []
        problems += found
    problems += lint_teams.differences(sources)
    problems += lint_parts.across(sources)
    teams = lint_teams.united(sources)
    for source in sources:
        pack = _built(source.file, versions[source.file])
        packs += [_with_teams(pack, source, teams)] if pack else []
    public_holidays.done()
    return packs, problems


def _misnamed(folder: Path) -> Iterator[Finding]:
    """Packs that would be overlooked, as their YAML file has another name."""
    for place in sorted(folder.glob("*/")):
        named = [f for f in sorted(place.iterdir()) if _NEARLY.fullmatch(f.name)]
        if named and not (place / "workflow.yaml").is_file():
            yield Finding(named[0], 1, "is no pack by this name; call it workflow.yaml")


def _with_teams(pack: Pack, source: Source, teams: Mapping[str, TeamYaml]) -> Pack:
    """The pack with the merged declarations of its teams."""
    shared = {name: build_team(name, teams[name], source.yaml) for name in source.yaml.teams}
    if shared == pack.workflow.teams:
        return pack
    return msgspec.structs.replace(pack, workflow=msgspec.structs.replace(pack.workflow, teams=shared))


@lru_cache(maxsize=64)
def _read(file: Path, version: str) -> tuple[Source | None, tuple[Finding, ...]]:
    """One pack's YAML, or what is wrong with it; the same text is read once in a process."""
    if unreadable := [Finding(f, 1, "is not UTF-8 text") for f in files_of(file.parent) if not is_text(f)]:
        return None, tuple(unreadable)
    source, found = read(file)
    if source:
        found = [problem for each in _CHECKS for problem in each(source)]
    return (None if found else source), tuple(found)


@lru_cache(maxsize=64)
def _built(file: Path, version: str) -> Pack | None:
    """One pack by itself."""
    source, _ = _read(file, version)
    if source is None:
        return None
    workflow = build(source.yaml, version)
    chains = {locale: workflow.locales_behind(locale) for locale in workflow.locales}
    return Pack(workflow, PackTemplates(file.parent, chains))


@lru_cache(maxsize=64)
def _template_problems(folder: Path, version: str) -> tuple[Finding, ...]:
    """The problems of one pack's templates; the same text is checked once in a process."""
    file = folder / "workflow.yaml"
    pack, (source, _) = _built(file, version), _read(file, version)
    return tuple(lint_templates.check(pack.workflow, pack.templates, source)) if pack and source else ()

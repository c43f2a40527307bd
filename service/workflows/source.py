"""A pack's parsed YAML with line numbers, and problems found in it."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from service.workflows.renamed_keys import OldKey, with_new_names
from service.workflows.schema import WorkflowYaml
from service.workflows.yaml_lines import YamlError, YamlPath, line_of, load


class Finding(NamedTuple):
    """A problem and its place; `line` is 1-based."""

    file: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class Source(NamedTuple):
    """A parsed `workflow.yaml` with the lines of its parts."""

    file: Path
    yaml: WorkflowYaml
    lines: dict[YamlPath, int]
    old_keys: tuple[OldKey, ...] = ()

    def problem(self, path: YamlPath, message: str) -> Finding:
        """A problem at `path`."""
        return Finding(self.file, line_of(self.lines, path), message)


def read(file: Path) -> tuple[Source | None, list[Finding]]:
    """Read a pack's YAML; returns it, or the problems if it cannot be used."""
    try:
        document, lines = load(file)
        old_keys = tuple(with_new_names(document, lines))
    except YamlError as error:
        return None, [Finding(file, error.line, error.message)]
    try:
        return Source(file, WorkflowYaml.model_validate(document), lines, old_keys), []
    except ValidationError as error:
        return None, [
            Finding(file, line_of(lines, tuple(e["loc"])), f"{_dotted(e['loc'])}: {_words(e['msg'])}")
            for e in error.errors()
        ]


def _dotted(loc: Iterable[str | int]) -> str:
    return ".".join(str(step) for step in loc) or "the document"


# Pydantic's message names our class, which means nothing to the author of a pack.
_A_CLASS = re.compile(r"Input should be a valid dictionary or instance of \w+")


def _words(message: str) -> str:
    text = message.removeprefix("Value error, ").replace("Extra inputs are not permitted", "unknown key")
    return _A_CLASS.sub("keys and their values are expected here, such as {key: value}", text)

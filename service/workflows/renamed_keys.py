"""Renamed keys of packs: the old names are accepted for one release, and `check` names the new ones.

Packs stored for running orders may have the old names, too.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from service.domain.json_object import JsonObject
from service.workflows.yaml_lines import YamlPath

# `*` matches any name. docs/glossary.md lists them.
RENAMED: Final[dict[tuple[str, ...], str]] = {
    ("statuses", "*", "tells"): "notify",
    ("clocks", "*", "tell"): "notify",
    ("clocks", "*", "at_warning", "tell"): "notify",
    ("follow_ups", "*", "tell"): "notify",
    ("stand_ins",): "audience_fallback",
    ("answers",): "faqs",
}


class OldKey(NamedTuple):
    """An old name in a file; `line` is 1-based."""

    line: int
    old: str
    new: str


def with_new_names(document: Any, lines: dict[YamlPath, int]) -> list[OldKey]:
    """Replace old names by new ones, in the document and its lines; returns those found.

    If both are present the old one stays, to be reported as unknown.
    """
    found = []
    for pattern, new in RENAMED.items():
        for path, parent in list(_parents(document, pattern[:-1], ())):
            old = pattern[-1]
            if old not in parent or new in parent:
                continue
            items = [(new if key == old else key, value) for key, value in parent.items()]
            parent.clear()
            parent.update(items)
            for place in [p for p in lines if p[: len(path) + 1] == (*path, old)]:
                lines[(*path, new, *place[len(path) + 1 :])] = lines[place]
            found.append(OldKey(lines.get((*path, new), 1), old, new))
    return sorted(found)


def _parents(node: Any, pattern: tuple[str, ...], path: YamlPath) -> Iterator[tuple[YamlPath, JsonObject]]:
    if not isinstance(node, dict):
        return
    if not pattern:
        yield path, node
        return
    for key in list(node) if pattern[0] == "*" else [pattern[0]]:
        if key in node:
            yield from _parents(node[key], pattern[1:], (*path, key))

"""YAML with the line of every key and value, so that a mistake can be shown where it stands."""

from pathlib import Path
from typing import Any, Final

import yaml

Path_ = tuple[str | int, ...]
# libyaml's parser where it was built in: several times as fast.
LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MERGE_TAG: Final = "tag:yaml.org,2002:merge"


class YamlError(Exception):
    """The file is not YAML, or says one key twice; `line` is 1-based."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


def load(path: Path) -> tuple[Any, dict[Path_, int]]:
    """The document and the 1-based line of each path in it; raises YamlError."""
    try:
        loader = LOADER(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        lines: dict[Path_, int] = {}
        value = _build(loader, node, (), lines) if node else None
        return value, lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(f"not YAML: {error.problem}", mark.line + 1 if mark else 1) from None
    except UnicodeDecodeError as error:
        raise YamlError(f"not UTF-8: {error.reason} at byte {error.start}", 1) from None


def _build(loader: Any, node: yaml.Node, path: Path_, lines: dict[Path_, int]) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        if any(key.tag == MERGE_TAG for key, _ in node.value):
            loader.flatten_mapping(node)
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            # Keys are names here: `on`, `no` or `1` are taken as the text that was written.
            key = str(key_node.value)
            line = key_node.start_mark.line + 1
            if key in result:
                raise YamlError(f"{key!r} is said twice", line)
            lines[(*path, key)] = line
            result[key] = _build(loader, value_node, (*path, key), lines)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_build(loader, item, (*path, i), lines) for i, item in enumerate(node.value)]
    return loader.construct_object(node)


def line_of(lines: dict[Path_, int], path: Path_) -> int:
    """The line of `path`, or of its nearest parent that is in the file."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)

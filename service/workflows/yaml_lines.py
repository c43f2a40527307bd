"""Parses YAML with the line of every key and value, so that a problem can be located."""

from pathlib import Path
from typing import Any, Final

import yaml

from service.domain.json_object import JsonObject

YamlPath = tuple[str | int, ...]
# libyaml's parser, if available: several times as fast.
LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MERGE_TAG: Final = "tag:yaml.org,2002:merge"

# With every alias expanded. Our largest pack has 700.
MAX_VALUES: Final = 50_000


class YamlError(Exception):
    """The file is not YAML, or has a duplicate key; `line` is 1-based."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


def load(path: Path) -> tuple[Any, dict[YamlPath, int]]:
    """The document and the 1-based line of each path in it; raises YamlError."""
    try:
        loader = LOADER(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        if node:
            _measure(node, {}, set())
        lines: dict[YamlPath, int] = {}
        value = _build(loader, node, (), lines) if node else None
        return value, lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(f"not YAML: {error.problem}", mark.line + 1 if mark else 1) from None
    except RecursionError:
        raise YamlError("not usable: parts of it are nested too deeply", 1) from None
    except UnicodeDecodeError as error:
        raise YamlError(f"not UTF-8: {error.reason} at byte {error.start}", 1) from None


def _measure(node: yaml.Node, sizes: dict[int, int], open_: set[int]) -> int:
    """The number of values in `node` with aliases expanded; raises YamlError if it is too large or infinite.

    A few lines of nested aliases can stand for billions of values; each node is visited once here.
    """
    if (known := sizes.get(id(node))) is not None:
        return known
    line = node.start_mark.line + 1
    if id(node) in open_:
        raise YamlError("an alias (`*`) refers to a value that contains it", line)
    open_.add(id(node))
    size = 1
    if isinstance(node, yaml.MappingNode):
        size += sum(_measure(part, sizes, open_) for pair in node.value for part in pair)
    elif isinstance(node, yaml.SequenceNode):
        size += sum(_measure(part, sizes, open_) for part in node.value)
    open_.discard(id(node))
    if size > MAX_VALUES:
        raise YamlError(f"its aliases (`*`) expand to more than {MAX_VALUES:,} values", line)
    sizes[id(node)] = size
    return size


def _build(loader: Any, node: yaml.Node, path: YamlPath, lines: dict[YamlPath, int]) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        if any(key.tag == MERGE_TAG for key, _ in node.value):
            loader.flatten_mapping(node)
        result: JsonObject = {}
        for key_node, value_node in node.value:
            # Keys are names: `on`, `no` or `1` are taken as written.
            key = str(key_node.value)
            line = key_node.start_mark.line + 1
            if key in result:
                raise YamlError(f"{key!r} appears twice", line)
            lines[(*path, key)] = line
            result[key] = _build(loader, value_node, (*path, key), lines)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_build(loader, item, (*path, i), lines) for i, item in enumerate(node.value)]
    return loader.construct_object(node)


def line_of(lines: dict[YamlPath, int], path: YamlPath) -> int:
    """The line of `path`, or of its nearest parent that is in the file."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)

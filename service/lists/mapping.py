"""Maps a file's columns to a list's: by name or title, as given, or as given for an earlier file."""

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Final

from service.domain.lists import ListSpec
from service.lists.lines import BadFile, FileRow
from service.lists.tabular import ADDED
from service.lists.values import Unreadable

# Columns that are deliberately left out are mapped to this.
IGNORED: Final = ""
Mapped = Mapping[str, str]


def header_of(line: FileRow) -> list[str]:
    """The names in the header; raises BadFile if they are unreadable or repeated."""
    for cell in line.cells:
        if isinstance(cell, Unreadable):
            raise BadFile(line.n, f"is the header, and one of its cells {cell.problem}")
    names = ["" if cell is None else " ".join(str(cell).split())[:200] for cell in line.cells]
    for name in names:
        if name and names.count(name) > 1:
            raise BadFile(line.n, f"the header has {name!r} twice; name every column once")
    return names


def mapping_of(
    spec: ListSpec, header: Sequence[str], chosen: Mapped, remembered: Mapped
) -> tuple[dict[str, str], list[str]]:
    """The columns by the header's names, and the mistakes, in texts that name the file's column.

    The mapping given now (`chosen`) takes precedence, then the `remembered` one, then names and titles.
    """
    mapping: dict[str, str] = {}
    wrong: list[str] = []
    # Columns that our own exports add.
    known = {ADDED: IGNORED, **_names_of(spec)}
    spelled = {_plain(name): column for name, column in chosen.items()}
    for name in (n for n in header if n):
        column = spelled.get(_plain(name), remembered.get(name, known.get(_plain(name))))
        if column is None:
            near = difflib.get_close_matches(_plain(name), list(known), 1)
            hint = f" (is it {known[near[0]]!r}?)" if near else ""
            how = f"say which: map.{name}=COLUMN, or map.{name}= to leave it out"
            wrong.append(f"{name!r} is not a column of {spec.name}{hint}; {how}")
        elif column != IGNORED and column not in spec.columns:
            wrong.append(f"{name!r}: there is no column {column!r}; known are {', '.join(spec.columns)}")
        else:
            mapping[name] = column
    wrong += _doubled(mapping)
    wrong += [f"map.{name}: the file has no such column" for name in chosen if _plain(name) not in map(_plain, header)]
    missing = [n for n, c in spec.columns.items() if c.required and n not in mapping.values()]
    if not wrong:
        wrong += [f"no column of the file is {name!r}, which every row needs" for name in missing]
    return mapping, wrong


def _doubled(mapping: Mapped) -> list[str]:
    columns = [c for c in mapping.values() if c != IGNORED]
    return [
        f"two columns of the file are {c!r}; leave one out by map.NAME="
        for c in sorted({c for c in columns if columns.count(c) > 1})
    ]


def _names_of(spec: ListSpec) -> dict[str, str]:
    """Columns by each of their names, normalised."""
    found = {_plain(title): name for name, c in spec.columns.items() for title in c.titles.values()}
    return found | {_plain(name): name for name in spec.columns}


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())

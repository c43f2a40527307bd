"""Rows as they stand in a file, whichever kind of file it is."""

from collections.abc import Sequence, Set
from typing import Any, Final

from msgspec import Struct

MOST_COLUMNS: Final = 200
# Excel's own limits (Microsoft, "Excel specifications and limits").
MOST_LINES: Final = 1_048_576
MOST_LETTERS: Final = 32_767
Cells = Sequence[Any]


class BadFile(Exception):
    """A file that cannot be read. `row`: as a spreadsheet numbers it, 0 where the whole file is meant."""

    def __init__(self, row: int, problem: str) -> None:
        super().__init__(problem)
        self.row = row
        self.problem = problem


class Line(Struct, frozen=True):
    """A row as it stands in the file, with its number there.

    `is_hidden`: a spreadsheet does not show it; `hidden_columns`: those that it does not show, counted from 0.
    """

    n: int
    cells: Cells
    is_hidden: bool = False
    hidden_columns: Set[int] = frozenset()


def without_end(cells: Cells) -> Cells:
    """Without the empty cells behind the last one that is not."""
    end = len(cells)
    while end and cells[end - 1] in (None, ""):
        end -= 1
    return cells[:end]

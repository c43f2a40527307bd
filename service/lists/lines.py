"""Rows as read from a file of any type."""

from collections.abc import Sequence, Set
from typing import Any, Final

from msgspec import Struct

MOST_COLUMNS: Final = 200
# Excel's own limits (Microsoft, "Excel specifications and limits").
MOST_LINES: Final = 1_048_576
MOST_LETTERS: Final = 32_767
Cells = Sequence[Any]


class BadFile(Exception):
    """A file that cannot be read. `row`: numbered as in a spreadsheet, 0 for the whole file."""

    def __init__(self, row: int, problem: str) -> None:
        super().__init__(problem)
        self.row = row
        self.problem = problem


class FileRow(Struct, frozen=True):
    """A row of a file, with its number.

    `is_hidden`: it is hidden in the workbook; `hidden_columns`: the hidden columns, counted from 0.
    """

    n: int
    cells: Cells
    is_hidden: bool = False
    hidden_columns: Set[int] = frozenset()


def without_end(cells: Cells) -> Cells:
    """The cells without trailing empty ones."""
    end = len(cells)
    while end and cells[end - 1] in (None, ""):
        end -= 1
    return cells[:end]

"""Rows and columns that a workbook holds and a spreadsheet does not show: they are taken, and their sender is told.

Hiding is a matter of looks: a filter that somebody left on must lose no row, as it loses none in what others read of a
workbook (openpyxl, pandas). But whoever looked at the sheet did not see them.
"""

from collections.abc import Sequence
from typing import Final

from service.lists.checking import RowError

# So many stretches of rows are named; all are counted.
MOST_NAMED: Final = 10


class Unseen:
    """Which rows of a file are hidden, and which of its columns that are read. `header`: the row that names those."""

    def __init__(self, header: int = 0, columns: Sequence[str] = ()) -> None:
        self.count = 0
        self._header = header
        self._columns = columns
        self._stretches: list[list[int]] = []
        self._last = 0

    def add(self, n: int) -> None:
        """A hidden row; they come in their order."""
        if self._stretches and n == self._last + 1 and self._stretches[-1][1] == self._last:
            self._stretches[-1][1] = n
        elif len(self._stretches) < MOST_NAMED:
            self._stretches.append([n, n])
        self._last = n
        self.count += 1

    @property
    def warnings(self) -> list[RowError]:
        """What the file's sender is told about it."""
        said = "is hidden in the workbook, and read as the others are; delete it there if it does not belong"
        found = [RowError(self._header, name, said) for name in self._columns]
        if self.count:
            them = f"{self.count:,} rows are" if self.count > 1 else "a row is"
            what = "delete what does not belong" if self.count > 1 else "delete it there if it does not belong"
            problem = f"{them} hidden in the workbook ({self._named()}), and taken as the others are; {what}"
            found.append(RowError(self._stretches[0][0], "", problem))
        return found

    def _named(self) -> str:
        named = [f"{first} to {last}" if last > first else str(first) for first, last in self._stretches]
        left = self.count - sum(last - first + 1 for first, last in self._stretches)
        return ", ".join(named) + (f" and {left:,} more" if left else "")

"""Hidden rows and columns of a workbook: they are read like others, and the sender is warned.

Hiding is formatting: a filter left on must not lose rows, nor does it in other readers of workbooks (openpyxl,
pandas). But whoever looked at the sheet did not see them.
"""

from collections.abc import Sequence
from typing import Final

from service.lists.checking import RowError

# The number of ranges of rows that are named; all rows are counted.
MOST_NAMED: Final = 10


class HiddenParts:
    """The hidden rows of a file and the hidden columns among those read. `header`: the number of the header row."""

    def __init__(self, header: int = 0, columns: Sequence[str] = ()) -> None:
        self.count = 0
        self._header = header
        self._columns = columns
        self._stretches: list[list[int]] = []
        self._last = 0

    def add(self, n: int) -> None:
        """Add a hidden row; rows are added in sequence."""
        if self._stretches and n == self._last + 1 and self._stretches[-1][1] == self._last:
            self._stretches[-1][1] = n
        elif len(self._stretches) < MOST_NAMED:
            self._stretches.append([n, n])
        self._last = n
        self.count += 1

    @property
    def warnings(self) -> list[RowError]:
        """Warnings for the file's sender."""
        advice = "is hidden in the workbook, but read like the others; delete it there if it does not belong"
        found = [RowError(self._header, name, advice) for name in self._columns]
        if self.count:
            them = f"{self.count:,} rows are" if self.count > 1 else "a row is"
            what = "delete what does not belong" if self.count > 1 else "delete it there if it does not belong"
            problem = f"{them} hidden in the workbook ({self._named()}), but read like the others; {what}"
            found.append(RowError(self._stretches[0][0], "", problem))
        return found

    def _named(self) -> str:
        named = [f"{first} to {last}" if last > first else str(first) for first, last in self._stretches]
        left = self.count - sum(last - first + 1 for first, last in self._stretches)
        return ", ".join(named) + (f" and {left:,} more" if left else "")

"""Checks rows against their list: reports every mistake with row and column; nothing is stored if there is one."""

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, Final

from msgspec import Struct

from service.domain.json_object import JsonObject
from service.domain.lists import ListSpec
from service.lists.values import comparable, value_of

# The number of mistakes that are listed; all are counted.
MOST_SHOWN: Final = 100


class RowError(Struct, frozen=True):
    """A mistake. `row`: as numbered in a spreadsheet, the header being row 1; `column`: empty if the row is wrong."""

    row: int
    column: str
    problem: str


class Mistakes:
    """The first mistakes, and their total number."""

    def __init__(self) -> None:
        self.shown: list[RowError] = []
        self.count = 0

    def add(self, row: int, column: str, problem: str) -> None:
        """Add a mistake."""
        self.count += 1
        if len(self.shown) < MOST_SHOWN:
            self.shown.append(RowError(row, column, problem))


class Checker:
    """Checks the rows of one file, event or call in sequence. `named`: the name of a column there."""

    def __init__(self, spec: ListSpec, region: str, named: Callable[[str], str] = str) -> None:
        self._spec = spec
        self._region = region
        self._named = named
        # An 8-byte hash tells the values of a file apart; 100,000 of them take a few megabytes.
        self._columns = tuple(spec.columns.items())
        self._names = spec.columns.keys()
        self._seen: dict[str, dict[bytes, int]] = {name: {} for name in spec.unique}
        self.mistakes = Mistakes()

    def row(self, n: int, cells: Mapping[str, Any]) -> JsonObject | None:
        """The row in canonical form, without empty cells; None if it has a mistake."""
        before, values = self.mistakes.count, {}
        for name, column in self._columns:
            if name not in cells and not column.required:
                continue
            try:
                value = value_of(column, cells.get(name), self._region)
            except ValueError as error:
                self.mistakes.add(n, self._named(name), str(error))
                continue
            if value is not None:
                values[name] = value
            elif column.required:
                self.mistakes.add(n, self._named(name), "is empty, but required in every row")
        for name in cells.keys() - self._names:
            self.mistakes.add(n, str(name)[:80], f"is not a column; known are {', '.join(self._spec.columns)}")
        if not values and before == self.mistakes.count:
            self.mistakes.add(n, "", "is empty")
        for name, seen in self._seen.items():
            if name in values:
                key = blake2b(comparable(values[name]).encode(), digest_size=8).digest()
                first = seen.setdefault(key, n)
                if first != n:
                    self.mistakes.add(n, self._named(name), f"is the same as in row {first}, but must be unique")
        return values if before == self.mistakes.count else None

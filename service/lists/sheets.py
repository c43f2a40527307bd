"""Parses the rows of a workbook's sheet from its XML stream (ECMA-376-1, §18.3)."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from service.lists.lines import MOST_COLUMNS, MOST_LETTERS, MOST_LINES, BadFile, FileRow, without_end
from service.lists.values import Unreadable
from service.lists.workbook_parts import Attributes, Book, Strings, local_name, unescaped

_REFERENCE: Final = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
_NO_RESULT: Final = "is a formula without its result; open it in a spreadsheet and save it"
_END: Final = object()
_YES: Final = ("1", "true")  # xsd:boolean
G = TypeVar("G")


class _ByTag(dict[str, Callable[[G], None] | None], Generic[G]):
    """Handlers by tag name, without namespace; lookups are cached."""

    def __missing__(self, tag: str) -> Callable[[G], None] | None:
        does = self[tag] = self.get(local_name(tag))
        return does


class Rows:
    """The rows of a sheet, while its XML is parsed."""

    def __init__(self, book: Book, strings: Strings) -> None:
        self._book = book
        self._strings = strings
        self._done: list[FileRow] = []
        self._header: FileRow | None = None
        self._n = 0
        self._is_hidden = False
        self._hidden_columns: set[int] = set()
        self._cells: list[Any] = []
        self._column = 0
        self._kind = ""
        self._style = ""
        self._has_formula = False
        self._text: list[str] = []
        self._letters = 0
        self._listens = False
        self._is_reading_aid = False
        self._starts = _ByTag[Attributes]({
            "row": self._row, "c": self._cell, "v": self._value, "t": self._value, "f": self._formula,
            "rPh": self._aid, "mergeCell": self._merged, "col": self._columns,
        })  # fmt: skip
        self._ends = _ByTag[None]({
            "row": self._end_row, "c": self._end_cell, "v": self._end_value, "t": self._end_value, "rPh": self._end_aid,
        })  # fmt: skip

    def lines(self) -> Iterator[FileRow]:
        """The rows with a value; raises BadFile."""
        handlers = {
            "StartElementHandler": self._on,
            "EndElementHandler": self._off,
            "CharacterDataHandler": self._characters,
        }
        parsed = self._book.parse(self._book.sheet, handlers)
        while self._goes_on(parsed):
            yield from self._done
            self._done.clear()

    def _goes_on(self, parsed: Iterator[None]) -> bool:
        """Parse another chunk; raises BadFile with the current row."""
        try:
            return next(parsed, _END) is not _END
        except BadFile:
            raise
        except Exception as error:
            # Any error of the libraries on a broken archive or XML.
            problem = f"the workbook is not readable here ({type(error).__name__}); save it again as XLSX or CSV"
            raise BadFile(self._n, problem) from None

    def _on(self, tag: str, attributes: Attributes) -> None:
        if (does := self._starts[tag]) is not None:
            does(attributes)

    def _off(self, tag: str) -> None:
        if (does := self._ends[tag]) is not None:
            does(None)

    def _characters(self, text: str) -> None:
        if self._listens:
            self._text.append(text)
            self._letters += len(text)
            if self._letters > MOST_LETTERS:
                raise BadFile(self._n, f"has a cell of more than {MOST_LETTERS:,} characters, a spreadsheet's limit")

    def _row(self, attributes: Attributes) -> None:
        n = int(attributes.get("r", self._n + 1))
        if n <= self._n:
            raise BadFile(self._n, "is followed by a row with a smaller number; save the workbook again")
        if n > MOST_LINES:
            raise BadFile(n, f"is one too many; at most {MOST_LINES:,} rows are read")
        self._n, self._cells, self._column = n, [], 0
        self._is_hidden = attributes.get("hidden") in _YES

    def _columns(self, attributes: Attributes) -> None:
        """Formatting of columns, numbered from 1; comes before all rows."""
        if attributes.get("hidden") in _YES:
            first, last = int(attributes["min"]), min(int(attributes["max"]), MOST_COLUMNS)
            self._hidden_columns.update(range(first - 1, last))

    def _cell(self, attributes: Attributes) -> None:
        self._kind, self._style = attributes.get("t", "n"), attributes.get("s", "")
        self._column = _column_of(attributes["r"]) if "r" in attributes else self._column + 1
        self._has_formula, self._letters = False, 0
        self._text.clear()

    def _formula(self, _attributes: Attributes) -> None:
        self._has_formula = True

    def _aid(self, _attributes: Attributes) -> None:
        self._is_reading_aid = True

    def _end_aid(self, _nothing: None) -> None:
        self._is_reading_aid = False

    def _value(self, _attributes: Attributes) -> None:
        self._listens = not self._is_reading_aid

    def _end_value(self, _nothing: None) -> None:
        self._listens = False

    def _end_cell(self, _nothing: None) -> None:
        value = self._read("".join(self._text))
        if value in (None, ""):
            return
        if self._column > MOST_COLUMNS:
            raise BadFile(self._n, f"has {self._column} cells; at most {MOST_COLUMNS} are allowed")
        self._cells += [None] * (self._column - len(self._cells))
        self._cells[self._column - 1] = value

    def _end_row(self, _nothing: None) -> None:
        if cells := without_end(self._cells):
            line = FileRow(self._n, cells, self._is_hidden, self._hidden_columns)
            self._header = self._header or line
            self._done.append(line)

    def _merged(self, attributes: Attributes) -> None:
        """Of merged cells only the first has a value; it is unknown for which rows it is meant."""
        area = attributes.get("ref", "")
        first = _REFERENCE.match(area)
        if first is None or self._header is None:
            return
        row, column = int(first[2]), _column_of(area)
        if row > self._header.n and column <= len(self._header.cells):
            problem = f"has merged cells ({area[:20]}), of which only the first has a value; split them"
            raise BadFile(row, problem)

    def _read(self, text: str) -> Any:
        if self._kind == "s":
            return self._strings[int(text)] if text else None
        if self._kind in ("str", "inlineStr"):
            return unescaped(text)
        if self._kind == "e":
            return Unreadable(f"is an error of the spreadsheet ({text[:20]})")
        if not text:
            return Unreadable(_NO_RESULT) if self._has_formula else None
        if self._kind == "b":
            return text in _YES
        if self._kind == "d":
            return datetime.fromisoformat(text)
        number = int(text) if text.lstrip("-").isdigit() else float(text)
        return self._moment(number) if self._is_date() else number

    def _is_date(self) -> bool:
        style = int(self._style) if self._style.isdigit() else 0
        return style < len(self._book.styles) and self._book.styles[style]

    def _moment(self, number: float) -> Any:
        from openpyxl.utils.datetime import MAC_EPOCH, WINDOWS_EPOCH, from_excel

        try:
            return from_excel(number, MAC_EPOCH if self._book.is_1904 else WINDOWS_EPOCH)
        except (OverflowError, ValueError):
            return Unreadable("is not an existing day")


def _column_of(reference: str) -> int:
    """The number of a cell's column: 28 for `AB12`; raises ValueError for an invalid reference."""
    found = _REFERENCE.match(reference)
    if found is None:
        raise ValueError("a cell has an invalid name")
    column = 0
    for letter in found[1]:
        column = column * 26 + ord(letter) - 64
    return column

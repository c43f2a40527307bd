"""Exports a list as CSV or workbook; values that look like formulas are escaped (OWASP, "CSV Injection")."""

import csv
import io
import tempfile
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import IO, Any, Final, Protocol, cast

from service.domain.lists import ExportFormat, ListSpec
from service.lists.tabular import ADDED, plain
from service.lists.values import cell_of
from service.lists.workbook_writing import XlsxWriter

MEDIA: Final[Mapping[ExportFormat, str]] = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class TableWriter(Protocol):
    """Writes a table row by row."""

    def add(self, rows: Iterable[tuple[datetime, Mapping[str, Any]]]) -> None:
        """Add rows: when each was added to the list, and its values by column."""
        ...

    def finish(self) -> IO[bytes]:
        """The finished file, positioned at its beginning; the caller closes it."""
        ...


def writer_of(kind: ExportFormat, spec: ListSpec) -> TableWriter:
    """An empty table with the list's columns and the time when each row was added."""
    return CsvWriter(spec) if kind == "csv" else XlsxWriter(spec)


class CsvWriter:
    """CSV with commas, in UTF-8, as an anonymous temporary file."""

    def __init__(self, spec: ListSpec) -> None:
        self._columns = tuple(spec.columns)
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by whoever gets it
        self._text = io.TextIOWrapper(self._file, encoding="utf-8", newline="", write_through=True)
        self._writer = csv.writer(self._text)
        self._writer.writerow([*self._columns, ADDED])

    def add(self, rows: Iterable[tuple[datetime, Mapping[str, Any]]]) -> None:
        """Add rows: when each was added to the list, and its values by column."""
        self._writer.writerows(
            [*(plain(cell_of(values.get(c))) for c in self._columns), plain(added)] for added, values in rows
        )

    def finish(self) -> IO[bytes]:
        """The finished file, positioned at its beginning."""
        self._text.detach()
        self._file.seek(0)
        return cast(IO[bytes], self._file)

"""Writes a list as an Excel workbook (XLSX) with one sheet, row by row directly into the archive.

Texts are inline (`inlineStr`), so that they are never formulas. Source: ECMA-376-1, §12.3, §18.3.1.4.
"""

import re
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from html import escape
from typing import IO, Any, Final, cast

from service.domain.lists import ListSpec
from service.lists.tabular import ADDED
from service.lists.values import cell_of

_HEAD: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
_MEDIA: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_PARTS: Final[Mapping[str, str]] = {
    "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_MEDIA}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_MEDIA}.worksheet+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
}
# ECMA-376-1, §22.9.2.19: carriage returns are escaped like this, as XML normalises them; and so is text that looks
_TO_ESCAPE: Final = re.compile(r"\r|_(?=x[0-9A-Fa-f]{4}_)")
# XML 1.0, §2.2.
_NO_XML: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# Excel's limit for the names of sheets.
_LONGEST_NAME: Final = 31


class XlsxWriter:
    """Writes a workbook with one sheet."""

    def __init__(self, spec: ListSpec) -> None:
        self._columns = tuple(spec.columns)
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by whoever gets it
        self._archive = zipfile.ZipFile(self._file, "w", zipfile.ZIP_DEFLATED)
        for name, text in _PARTS.items():
            self._archive.writestr(name, _HEAD + text)
        sheet = f'<sheet name="{escape(spec.name[:_LONGEST_NAME])}" sheetId="1" r:id="rId1"/>'
        book = f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{sheet}</sheets></workbook>'
        self._archive.writestr("xl/workbook.xml", _HEAD + book)
        self._sheet = self._archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True)
        self._sheet.write(f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetData>'.encode())
        self._letters = tuple(_letters(n) for n in range(1, len(self._columns) + 2))
        self._n = 0
        self._write([[*self._columns, ADDED]])

    def add(self, rows: Iterable[tuple[datetime, Mapping[str, Any]]]) -> None:
        """Add rows: when each was added to the list, and its values by column."""
        self._write([*(cell_of(v.get(c)) for c in self._columns), at.isoformat(timespec="seconds")] for at, v in rows)

    def _write(self, rows: Iterable[list[Any]]) -> None:
        self._sheet.write("".join(self._row(cells) for cells in rows).encode())

    def _row(self, cells: list[Any]) -> str:
        self._n += 1
        return f'<row r="{self._n}">{"".join(self._cells(cells))}</row>'

    def _cells(self, cells: list[Any]) -> Iterator[str]:
        for letter, value in zip(self._letters, cells, strict=True):
            if value == "":
                continue
            where = f'<c r="{letter}{self._n}"'
            if isinstance(value, bool):
                yield f'{where} t="b"><v>{int(value)}</v></c>'
            elif isinstance(value, (int, float)):
                yield f"{where}><v>{value!r}</v></c>"
            else:
                yield f'{where} t="inlineStr"><is><t xml:space="preserve">{_text(value)}</t></is></c>'

    def finish(self) -> IO[bytes]:
        """The finished file, positioned at its beginning."""
        self._sheet.write(b"</sheetData></worksheet>")
        self._sheet.close()
        self._archive.close()
        self._file.seek(0)
        return cast(IO[bytes], self._file)


def _text(value: str) -> str:
    written = _TO_ESCAPE.sub(lambda found: f"_x{ord(found[0]):04X}_", _NO_XML.sub("", value))
    return escape(written, quote=False)


def _letters(n: int) -> str:
    """The letters of a column's number: `AB` for 28."""
    found = ""
    while n:
        n, rest = divmod(n - 1, 26)
        found = chr(65 + rest) + found
    return found

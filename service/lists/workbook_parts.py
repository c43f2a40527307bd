"""Reads the parts of a workbook (XLSX) that are needed for its first sheet, a chunk at a time.

Source: ECMA-376-1, §18.2 (workbook), §18.4 (shared strings), §18.8 (styles).
"""

import re
import zipfile
from array import array
from collections.abc import Iterator, Mapping
from mmap import ACCESS_READ, mmap
from posixpath import normpath
from tempfile import TemporaryFile
from typing import Any, Final
from xml.parsers import expat

from service.lists.lines import MOST_LETTERS, BadFile

# Limits for unpacked data and for shared strings, in bytes, whatever the workbook claims.
MOST_INFLATED: Final = 300 * 1024 * 1024
MOST_SHARED: Final = 100 * 1024 * 1024
MOST_PARTS: Final = 1000
_CHUNK: Final = 64 * 1024
_BOOK: Final = "xl/workbook.xml"
# ECMA-376-1, §22.9.2.19: escaped characters that XML cannot contain, and escaped underscores.
_ESCAPED: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")
Attributes = dict[str, str]


class Strings:
    """The shared strings by number, in a temporary file; only their offsets are in memory."""

    def __init__(self) -> None:
        self._file = TemporaryFile()  # noqa: SIM115 - closed with this
        self._ends = array("Q", [0])
        self._all: mmap | None = None

    def __enter__(self) -> "Strings":
        return self

    def __exit__(self, *_error: object) -> None:
        if self._all is not None:
            self._all.close()
        self._file.close()

    def add(self, text: str) -> None:
        """Add a string."""
        self._ends.append(self._ends[-1] + self._file.write(text.encode("utf-8", "surrogatepass")))

    def __getitem__(self, n: int) -> str:
        if not 0 <= n < len(self._ends) - 1:
            raise ValueError("a cell refers to a shared string that the workbook does not have")
        first, end = self._ends[n], self._ends[n + 1]
        if first == end:
            return ""
        if self._all is None:
            self._file.flush()
            self._all = mmap(self._file.fileno(), 0, access=ACCESS_READ)
        return self._all[first:end].decode("utf-8", "surrogatepass")


class Book:
    """The parts of a workbook that are needed for its first sheet; raises BadFile if they are missing."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._names = frozenset(archive.namelist())
        self._room = MOST_INFLATED
        if len(archive.infolist()) > MOST_PARTS or _BOOK not in self._names:
            raise BadFile(0, "is a ZIP file, but not an Excel workbook (XLSX); save it as XLSX or CSV")
        self.is_1904 = False
        self.sheet = self._sheet()
        self.styles = self._styles()

    def parse(self, name: str, handlers: Mapping[str, Any], most: int = MOST_INFLATED) -> Iterator[None]:
        """Parse a part chunk by chunk; raises BadFile if it is larger than `most` bytes, or declares entities.

        `handlers`: of expat; names of elements and attributes come without namespace prefixes.
        """
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = _refuse_declarations
        for handler, does in handlers.items():
            setattr(parser, handler, does)
        size = 0
        with self._archive.open(name) as part:
            while chunk := part.read(_CHUNK):
                size += len(chunk)
                if size > min(most, self._room):
                    most_mb = min(most, MOST_INFLATED) // 1024**2
                    raise BadFile(0, f"the workbook has more than {most_mb} MB when unpacked; send it as CSV")
                parser.Parse(chunk)
                yield
        parser.Parse(b"", True)
        self._room -= size
        yield

    def read_strings(self, strings: Strings) -> None:
        """Read the shared strings, without the phonetic hints of East Asian texts."""
        parts: list[str] = []
        inside = {"t": False, "rPh": False}

        def start(tag: str, _attributes: Attributes) -> None:
            name = local_name(tag)
            if name == "si":
                parts.clear()
            elif name in inside:
                inside[name] = True

        def end(tag: str) -> None:
            name = local_name(tag)
            if name == "si":
                strings.add(unescaped("".join(parts)))
            elif name in inside:
                inside[name] = False

        def text(chunk: str) -> None:
            if inside["t"] and not inside["rPh"]:
                parts.append(chunk)
                if len(parts) * len(chunk) > MOST_LETTERS and sum(map(len, parts)) > MOST_LETTERS:
                    raise BadFile(0, f"the workbook has a cell of more than {MOST_LETTERS:,} characters")

        name = "xl/sharedStrings.xml"
        if name in self._names:
            handlers = {"StartElementHandler": start, "EndElementHandler": end, "CharacterDataHandler": text}
            for _ in self.parse(name, handlers, MOST_SHARED):
                pass

    def _sheet(self) -> str:
        """The name of the part with the first visible sheet."""
        sheets: list[str] = []

        def start(tag: str, attributes: Attributes) -> None:
            name = local_name(tag)
            if name == "workbookPr":
                self.is_1904 = attributes.get("date1904") in ("1", "true")
            elif name == "sheet" and attributes.get("state", "visible") == "visible":
                sheets.extend(value for key, value in attributes.items() if key.endswith(" id"))

        for _ in self.parse(_BOOK, {"StartElementHandler": start}):
            pass
        targets = self._targets()
        found = next((targets[i] for i in sheets if i in targets), "")
        if found not in self._names:
            raise BadFile(0, "the workbook has no visible sheet with rows")
        return found

    def _targets(self) -> dict[str, str]:
        """The names of worksheets' parts by relationship id."""
        found: dict[str, str] = {}

        def start(_tag: str, attributes: Attributes) -> None:
            if attributes.get("Type", "").endswith("/worksheet"):
                target = attributes.get("Target", "")
                path = target.lstrip("/") if target.startswith("/") else normpath(f"xl/{target}")
                found[attributes.get("Id", "")] = path

        name = "xl/_rels/workbook.xml.rels"
        if name in self._names:
            for _ in self.parse(name, {"StartElementHandler": start}):
                pass
        return found

    def _styles(self) -> list[bool]:
        """For each style, whether it formats a number as date or time."""
        from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format

        formats = dict(BUILTIN_FORMATS)
        found: list[bool] = []
        inside: list[str] = []

        def start(tag: str, attributes: Attributes) -> None:
            name = local_name(tag)
            if name == "numFmt" and attributes.get("numFmtId", "").isdigit():
                formats[int(attributes["numFmtId"])] = attributes.get("formatCode", "")
            elif name == "xf" and "cellXfs" in inside:
                number = attributes.get("numFmtId", "0")
                found.append(is_date_format(formats.get(int(number), "")) if number.isdigit() else False)
            inside.append(name)

        def end(_tag: str) -> None:
            inside.pop()

        name = "xl/styles.xml"
        if name in self._names:
            for _ in self.parse(name, {"StartElementHandler": start, "EndElementHandler": end}):
                pass
        return found


def _refuse_declarations(*_doctype: object) -> None:
    raise BadFile(0, "the workbook declares XML entities, which spreadsheets never do")


def local_name(tag: str) -> str:
    return tag.rpartition(" ")[2]


def unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text

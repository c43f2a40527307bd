"""Files of rows, read a row at a time: text with commas, semicolons or tabs, and the workbooks of Excel.

What can be no file of its kind is a `BadFile` with the row where it breaks. A file is never held in memory whole, but
for the old workbooks (XLS), whose sheets end at row 65,536.
"""

import codecs
import csv
import itertools
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO, Final, Literal

from msgspec import Struct

Kind = Literal["text", "xlsx", "xls"]
MOST_COLUMNS: Final = 200
# Excel's own limit, of its old files too (Microsoft, "Excel specifications and limits").
MOST_LETTERS: Final = 32_767
MOST_LINES: Final = 1_048_576
LONGEST_LINE: Final = 1024 * 1024
# A workbook is a zip: so much it may hold once it is inflated, whatever it says of itself.
MOST_INFLATED: Final = 300 * 1024 * 1024
# The texts of all cells, which are held in memory while its rows are read.
MOST_SHARED: Final = 100 * 1024 * 1024
MOST_PARTS: Final = 1000
_CHUNK: Final = 256 * 1024
_ZIP: Final = b"PK\x03\x04"
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_DELIMITERS: Final = ",;\t"
Cells = Sequence[Any]


class BadFile(Exception):
    """A file that cannot be read. `row`: as a spreadsheet numbers it, 0 where the whole file is meant."""

    def __init__(self, row: int, problem: str) -> None:
        super().__init__(problem)
        self.row = row
        self.problem = problem


class Line(Struct, frozen=True):
    """A row as it stands in the file, with its number there."""

    n: int
    cells: Cells


def kind_of(head: bytes) -> Kind:
    """What a file is by its first bytes, whatever it is called."""
    if head.startswith(_ZIP):
        return "xlsx"
    return "xls" if head.startswith(_OLE) else "text"


def lines_of(file: BinaryIO, tabs: bool = False) -> Iterator[Line]:
    """The rows that are not empty; raises BadFile. `tabs`: its name or type says that tabs part the cells."""
    file.seek(0)
    kind = kind_of(file.read(8))
    file.seek(0)
    read: Callable[[], Iterable[Line]] = {
        "text": lambda: _text_lines(file, tabs),
        "xlsx": lambda: _xlsx_lines(file),
        "xls": lambda: _xls_lines(file),
    }[kind]
    for line in read():
        if len(line.cells) > MOST_COLUMNS:
            raise BadFile(line.n, f"has {len(line.cells)} cells; at most {MOST_COLUMNS} are taken")
        if any(cell not in (None, "") for cell in line.cells):
            yield line


def _text_lines(file: BinaryIO, tabs: bool) -> Iterator[Line]:
    decoded = _decoded(file)
    first = next(decoded, "")
    if first.lower().startswith("sep=") and len(first.strip()) == 5:
        # How Excel is told the delimiter; no row of the table, but a row of the file.
        yield from _split(decoded, first.strip()[4], 1)
        return
    delimiter = "\t" if tabs and "\t" in first else _delimiter_of(first)
    yield from _split(itertools.chain([first], decoded), delimiter, 0)


def _split(texts: Iterator[str], delimiter: str, before: int) -> Iterator[Line]:
    reader = csv.reader(texts, delimiter=delimiter, strict=True)
    n = before
    while True:
        n += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise BadFile(n, f"is not readable as a row of cells: {error}") from None
        if n > MOST_LINES:
            raise BadFile(n, f"is one too many; at most {MOST_LINES:,} rows are read")
        yield Line(n, cells)


def _delimiter_of(header: str) -> str:
    """What parts the cells of the header most often, outside of quotes."""
    plain = "".join(part for i, part in enumerate(header.split('"')) if i % 2 == 0)
    return max(_DELIMITERS, key=plain.count)


def _decoded(file: BinaryIO) -> Iterator[str]:
    """Lines of text, in whichever encoding; raises BadFile with the line that is none."""
    head = file.read(4096)
    file.seek(0)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _utf16_lines(file, "utf-16")
    if (guessed := _utf16_without_mark(head)) is not None:
        return _utf16_lines(file, guessed)
    if head.startswith(codecs.BOM_UTF8):
        file.seek(len(codecs.BOM_UTF8))
    return _utf8_lines(file)


def _utf16_without_mark(head: bytes) -> str | None:
    """Every other byte of Latin letters in UTF-16 is NUL."""
    half = max(1, len(head) // 2)
    if head[1::2].count(0) > half * 0.7:
        return "utf-16-le"
    return "utf-16-be" if head[::2].count(0) > half * 0.7 else None


def _utf8_lines(file: BinaryIO) -> Iterator[str]:
    for n in itertools.count(1):
        raw = file.readline(LONGEST_LINE)
        if not raw:
            return
        if len(raw) == LONGEST_LINE:
            raise BadFile(n, f"is longer than {LONGEST_LINE:,} bytes; is this a table?")
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            cell = sum(raw[: error.start].count(d) for d in (b",", b";", b"\t")) + 1
            said = f"is not UTF-8 text at about its cell {cell}; save the table as CSV UTF-8, or as XLSX"
            raise BadFile(n, said) from None
        if "\x00" in text:
            raise BadFile(n, "holds NUL, which no text does; is this a table?")
        yield from _ends_of(text)


def _ends_of(text: str) -> list[str]:
    """Old Macs end lines by a carriage return alone."""
    if "\r" in text[:-2]:
        return text.splitlines(keepends=True) if '"' not in text else [text]
    return [text]


def _utf16_lines(file: BinaryIO, encoding: str) -> Iterator[str]:
    reader = codecs.getreader(encoding)(file)
    for n in itertools.count(1):
        try:
            text = reader.readline(LONGEST_LINE)
        except UnicodeError:
            raise BadFile(n, "is not UTF-16 text, as the rest of the file is") from None
        if not text and reader.bytebuffer:
            raise BadFile(n, "is cut in the middle of a letter")
        if not text:
            return
        if "\x00" in text:
            raise BadFile(n, "holds NUL, which no text does; is this a table?")
        yield text


def _xlsx_lines(file: BinaryIO) -> Iterator[Line]:
    from openpyxl import load_workbook

    _refuse_bombs(file)
    file.seek(0)
    n = 0
    try:
        book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
        sheet = book.worksheets[0]
        for n, cells in enumerate(sheet.iter_rows(max_col=MOST_COLUMNS + 1, values_only=True), 1):
            if n > MOST_LINES:
                raise BadFile(n, f"is one too many; at most {MOST_LINES:,} rows are read")
            yield Line(n, _without_end(cells))
    except (BadFile, GeneratorExit):
        raise
    except Exception as error:
        # Whatever a broken workbook makes the library trip over.
        raise BadFile(n + 1, f"the workbook is not readable from here on ({type(error).__name__})") from None


def _refuse_bombs(file: BinaryIO) -> None:
    """Inflate it once without keeping anything; raises BadFile for what is no workbook, or grows beyond all bounds."""
    try:
        with zipfile.ZipFile(file) as parts:
            infos = parts.infolist()
            if len(infos) > MOST_PARTS or "xl/workbook.xml" not in parts.namelist():
                raise BadFile(0, "is a zip, and no workbook of Excel (XLSX); save it as XLSX or CSV")
            total = 0
            for info in infos:
                total += _inflated(parts, info, MOST_INFLATED - total)
    except BadFile:
        raise
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, ValueError, EOFError) as error:
        raise BadFile(0, f"the workbook is broken ({type(error).__name__}); save it again as XLSX or CSV") from None
    except Exception as error:
        # zlib has an error of its own, and other compressions theirs.
        raise BadFile(0, f"the workbook is broken ({type(error).__name__}); save it again as XLSX or CSV") from None


def _inflated(parts: zipfile.ZipFile, info: zipfile.ZipInfo, room: int) -> int:
    size = 0
    most = min(room, MOST_SHARED) if info.filename.endswith("sharedStrings.xml") else room
    with parts.open(info) as part:
        while chunk := part.read(_CHUNK):
            if not size and b"<!DOCTYPE" in chunk[:4096].upper():
                raise BadFile(0, "the workbook declares entities of its own, which no spreadsheet does")
            size += len(chunk)
            if size > most:
                said = f"the workbook holds more than {MOST_INFLATED // 1024**2} MB once it is unpacked; send it as CSV"
                raise BadFile(0, said)
    return size


def _xls_lines(file: BinaryIO) -> Iterator[Line]:
    import xlrd
    from xlrd.xldate import xldate_as_datetime

    n = 0
    try:
        book = xlrd.open_workbook(file_contents=file.read(), on_demand=True, ragged_rows=True, logfile=_Nowhere())
        sheet = book.sheet_by_index(0)
        for n in range(1, sheet.nrows + 1):
            cells: list[Any] = []
            for cell in sheet.row(n - 1):
                if cell.ctype == xlrd.XL_CELL_DATE:
                    cells.append(xldate_as_datetime(cell.value, book.datemode))
                elif cell.ctype == xlrd.XL_CELL_BOOLEAN:
                    cells.append(bool(cell.value))
                elif cell.ctype == xlrd.XL_CELL_ERROR:
                    cells.append(xlrd.error_text_from_code.get(cell.value, "#ERROR"))
                else:
                    cells.append(cell.value)
            yield Line(n, _without_end(cells))
    except (BadFile, GeneratorExit):
        raise
    except Exception as error:
        raise BadFile(n + 1, f"the workbook is not readable from here on ({type(error).__name__})") from None


class _Nowhere:
    """Where the library's remarks go, which may hold what stands in the file."""

    def write(self, _text: str) -> int:
        """Nothing."""
        return 0

    def flush(self) -> None:
        """Nothing."""


def _without_end(cells: Sequence[Any]) -> Cells:
    """Without the empty cells behind the last one that is not."""
    end = len(cells)
    while end and cells[end - 1] in (None, ""):
        end -= 1
    return cells[:end]

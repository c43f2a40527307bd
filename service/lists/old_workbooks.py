"""Reads old Excel workbooks (XLS); in memory whole, as their sheets end at row 65,536."""

from collections.abc import Iterator
from struct import Struct as Layout
from typing import Any, BinaryIO, Final

from service.lists.lines import BadFile, FileRow, without_end
from service.lists.values import Unreadable

# The stream name of an encrypted workbook, old or new (MS-OFFCRYPTO, §1.3.2, §2.3.4.4).
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
_LOCKED: Final = "the workbook has a password; save it without one"
# MS-XLS, §2.1.4 (a record: type, length, content), §2.4.53, §2.4.221.
_RECORD: Final = Layout("<HH")
_BEGIN, _END, _ROW, _COLUMNS = 0x0809, 0x000A, 0x0208, 0x007D
_ROW_HEAD: Final = Layout("<H10xH")
_COLUMNS_HEAD: Final = Layout("<HH4xH")
_ROW_HIDDEN, _COLUMNS_HIDDEN = 0x20, 0x01
_KINDS: Final = "is a file of an older Office, but not a workbook; save it as XLSX or CSV"


def xls_lines(file: BinaryIO) -> Iterator[FileRow]:
    """The rows of the first visible sheet; raises BadFile."""
    import xlrd

    content = file.read()
    if _ENCRYPTED in content:
        raise BadFile(0, _LOCKED)
    n = 0
    try:
        book = xlrd.open_workbook(file_contents=content, on_demand=True, ragged_rows=True, logfile=_Nowhere())
        sheet = next(s for s in map(book.sheet_by_index, range(book.nsheets)) if not s.visibility)
        rows, columns = _hidden(book.mem, book._sh_abs_posn[sheet.number])
        for n in range(1, sheet.nrows + 1):
            cells = without_end([_value(cell, book.datemode) for cell in sheet.row(n - 1)])
            yield FileRow(n, cells, n - 1 in rows, columns)
    except (BadFile, GeneratorExit):
        raise
    except Exception as error:
        # Any error of the library on a broken workbook.
        raise _as_bad_file(n, error) from None


def _hidden(stream: Any, at: int) -> tuple[set[int], set[int]]:
    """The hidden rows and columns of the sheet at this offset of the workbook's stream, counted from 0.

    The library would report them if it read all formatting, which takes many times the memory.
    """
    rows, columns, depth = set[int](), set[int](), 0
    while at + _RECORD.size <= len(stream):
        kind, length = _RECORD.unpack_from(stream, at)
        at += _RECORD.size
        # A chart embedded in the sheet has begin and end records of its own.
        depth += (kind == _BEGIN) - (kind == _END)
        if kind == _END and depth <= 0:
            break
        if kind == _ROW and length >= _ROW_HEAD.size:
            n, looks = _ROW_HEAD.unpack_from(stream, at)
            if looks & _ROW_HIDDEN:
                rows.add(n)
        elif kind == _COLUMNS and length >= _COLUMNS_HEAD.size:
            first, last, looks = _COLUMNS_HEAD.unpack_from(stream, at)
            columns.update(range(first, last + 1) if looks & _COLUMNS_HIDDEN else ())
        at += length
    return rows, columns


def _as_bad_file(n: int, error: Exception) -> BadFile:
    text = str(error)
    if "encrypted" in text.lower():
        return BadFile(0, _LOCKED)
    if "Can't find workbook" in text:
        return BadFile(0, _KINDS)
    return BadFile(n + 1, f"the workbook is not readable from here on ({type(error).__name__})")


def _value(cell: Any, datemode: int) -> Any:
    import xlrd
    from xlrd.xldate import xldate_as_datetime

    if cell.ctype == xlrd.XL_CELL_DATE:
        return xldate_as_datetime(cell.value, datemode)
    if cell.ctype == xlrd.XL_CELL_BOOLEAN:
        return bool(cell.value)
    if cell.ctype == xlrd.XL_CELL_ERROR:
        error = xlrd.error_text_from_code.get(cell.value, "#ERROR")
        return Unreadable(f"is an error of the spreadsheet ({error})")
    return cell.value


class _Nowhere:
    """Discards the library's messages, which may contain the file's content."""

    def write(self, _text: str) -> int:
        """Discard the text."""
        return 0

    def flush(self) -> None:
        """Nothing to do."""

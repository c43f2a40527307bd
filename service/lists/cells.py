"""Reads files of rows one row at a time: text separated by commas, semicolons or tabs, and Excel workbooks.

An unreadable file raises BadFile with the row. Files are never held in memory whole, except for old workbooks (XLS),
whose sheets end at row 65,536.
"""

import codecs
import csv
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, Final, Literal

from service.lists.lines import MOST_COLUMNS, MOST_LINES, BadFile, FileRow
from service.lists.old_workbooks import xls_lines
from service.lists.tabular import typed
from service.lists.workbooks import xlsx_lines

Kind = Literal["text", "xlsx", "xls"]
LONGEST_LINE: Final = 1024 * 1024
# Line ends of tables; other line ends of Unicode (`str.splitlines`) may be part of a cell.
_LINES: Final = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_ZIP: Final = b"PK\x03\x04"
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_DELIMITERS: Final = ",;\t"
# Besides UTF-16, which is recognised by its byte order mark.
_CHARSETS: Final = frozenset({"utf-8", "ascii", "iso8859-1", "iso8859-15", "cp1252"})


def kind_of(head: bytes) -> Kind:
    """The type of a file by its first bytes."""
    if head.startswith(_ZIP):
        return "xlsx"
    return "xls" if head.startswith(_OLE) else "text"


def lines_of(file: BinaryIO, tabs: bool = False, charset: str = "") -> Iterator[FileRow]:
    """The rows that are not empty; raises BadFile. `tabs`: name or media type say that cells are separated by tabs.

    `charset`: the declared encoding; a byte order mark takes precedence.
    """
    file.seek(0)
    kind = kind_of(file.read(8))
    file.seek(0)
    read: Callable[[], Iterable[FileRow]] = {
        "text": lambda: _text_lines(file, tabs, charset),
        "xlsx": lambda: xlsx_lines(file),
        "xls": lambda: xls_lines(file),
    }[kind]
    for line in read():
        if len(line.cells) > MOST_COLUMNS:
            raise BadFile(line.n, f"has {len(line.cells)} cells; at most {MOST_COLUMNS} are allowed")
        if any(cell not in (None, "") for cell in line.cells):
            yield line


def _text_lines(file: BinaryIO, tabs: bool, charset: str) -> Iterator[FileRow]:
    decoded = _decoded(file, charset)
    before, first = 0, next(decoded, "")
    while first and not first.strip("\r\n"):
        before, first = before + 1, next(decoded, "")
    if first.lower().startswith("sep=") and len(first.strip()) == 5:
        # Excel's declaration of the delimiter; not a row of the table, but counted as a row of the file.
        yield from _split(decoded, first.strip()[4], before + 1)
        return
    delimiter = "\t" if tabs and "\t" in first else _delimiter_of(first)
    yield from _split(itertools.chain([first], decoded), delimiter, before)


def _split(texts: Iterator[str], delimiter: str, before: int) -> Iterator[FileRow]:
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
        yield FileRow(n, [typed(cell) if cell[:1] == "'" else cell for cell in cells])


def _delimiter_of(header: str) -> str:
    """The delimiter that occurs most often in the header, outside of quotes."""
    plain = "".join(part for i, part in enumerate(header.split('"')) if i % 2 == 0)
    return max(_DELIMITERS, key=plain.count)


def _decoded(file: BinaryIO, charset: str) -> Iterator[str]:
    """Decoded lines, whatever the encoding; raises BadFile with the line that cannot be decoded."""
    head = file.read(4096)
    file.seek(0)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _utf16_lines(file, "utf-16")
    if (guessed := _utf16_without_mark(head)) is not None:
        return _utf16_lines(file, guessed)
    if head.startswith(codecs.BOM_UTF8):
        file.seek(len(codecs.BOM_UTF8))
        return _lines(file, "utf-8")
    return _lines(file, _known(charset))


def _known(charset: str) -> str:
    """The codec for a single-byte encoding or UTF-8; raises BadFile for any other."""
    try:
        name = codecs.lookup(charset or "utf-8").name
    except (LookupError, ValueError):
        name = ""
    if name not in _CHARSETS:
        raise BadFile(0, f"charset={charset:.40}: not supported; send the table as CSV UTF-8")
    return "utf-8" if name == "ascii" else name


def _utf16_without_mark(head: bytes) -> str | None:
    """In UTF-16 every other byte of Latin text is NUL."""
    half = max(1, len(head) // 2)
    if head[1::2].count(0) > half * 0.7:
        return "utf-16-le"
    return "utf-16-be" if head[::2].count(0) > half * 0.7 else None


def _lines(file: BinaryIO, encoding: str) -> Iterator[str]:
    for n in itertools.count(1):
        raw = file.readline(LONGEST_LINE)
        if not raw:
            return
        if len(raw) == LONGEST_LINE:
            raise BadFile(n, f"is longer than {LONGEST_LINE:,} bytes; is this a table?")
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError as error:
            cell = sum(raw[: error.start].count(d) for d in (b",", b";", b"\t")) + 1
            problem = (
                f"is not {encoding.upper()} text at about its cell {cell}; save the table as CSV UTF-8, or as XLSX"
            )
            raise BadFile(n, problem) from None
        if "\x00" in text:
            raise BadFile(n, "contains NUL; is this a table?")
        yield from _ends_of(text)


def _ends_of(text: str) -> list[str]:
    """Files from old Macs have a carriage return only as line end."""
    if "\r" in text[:-2]:
        return _LINES.findall(text) if '"' not in text else [text]
    return [text]


def _utf16_lines(file: BinaryIO, encoding: str) -> Iterator[str]:
    reader = codecs.getreader(encoding)(file)
    n, line = 1, ""
    while True:
        try:
            text = reader.readline(LONGEST_LINE)
        except UnicodeError:
            raise BadFile(n, "is not UTF-16 text, as the rest of the file is") from None
        if not text and reader.bytebuffer:
            raise BadFile(n, "ends in the middle of a character")
        line += text
        if "\x00" in text:
            raise BadFile(n, "contains NUL; is this a table?")
        if len(line) >= LONGEST_LINE:
            raise BadFile(n, f"is longer than {LONGEST_LINE:,} characters; is this a table?")
        if not text or text.endswith(("\r", "\n")):
            if line:
                yield line
            n, line = n + 1, ""
        if not text:
            return

"""Parses and checks a whole file of rows before anything is stored.

Valid rows are buffered as JSON lines in a temporary file, so that memory does not grow with the file.
"""

import tempfile
from collections.abc import Iterator
from hashlib import sha256
from typing import IO, BinaryIO, Final

import msgspec
from msgspec import Struct, field

from service.domain.json_object import JsonObject
from service.domain.lists import ListSpec
from service.lists.cells import lines_of
from service.lists.checking import Checker, Mistakes
from service.lists.lines import BadFile, FileRow
from service.lists.mapping import IGNORED, Mapped, header_of, mapping_of
from service.lists.unseen import HiddenParts
from service.lists.values import is_blank

MOST_FILE_BYTES: Final = 20 * 1024 * 1024
MOST_ROWS: Final = 250_000
SAMPLE: Final = 20


class CheckedRows:
    """Valid rows in the order of the file; `digest`: SHA-256 of their encoded form."""

    def __init__(self) -> None:
        # An anonymous file, deleted when it is closed.
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._digest = sha256()
        self.count = 0
        self.sample: list[JsonObject] = []

    def add(self, n: int, row: JsonObject) -> None:
        """Add a row; `n` is its number in the file."""
        line = msgspec.json.encode(row, order="sorted") + b"\n"
        self._digest.update(line)
        self._file.write(b"%d " % n + line)
        self.count += 1
        if len(self.sample) < SAMPLE:
            self.sample.append(row)

    @property
    def digest(self) -> bytes:
        """The digest of all rows so far."""
        return self._digest.digest()

    def batches(self, size: int) -> Iterator[list[tuple[int, JsonObject]]]:
        """All rows with their numbers, in batches."""
        self._file.seek(0)
        batch: list[tuple[int, JsonObject]] = []
        for line in self._file:
            n, _, row = line.partition(b" ")
            batch.append((int(n), msgspec.json.decode(row)))
            if len(batch) == size:
                yield batch
                batch = []
        if batch:
            yield batch

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class FileRead(Struct):
    """A parsed file: its header, the mapping of its columns, its rows and its mistakes.

    `unseen`: hidden rows and columns.
    """

    header: list[str]
    mapping: dict[str, str]
    rows: CheckedRows
    mistakes: Mistakes
    unseen: HiddenParts = field(default_factory=HiddenParts)


class OpenedFile(Struct):
    """A file whose header was read, so that a remembered mapping can be looked up before its rows are read."""

    read: FileRead
    lines: Iterator[FileRow]
    first: FileRow | None = None


def open_file(file: BinaryIO, tabs: bool, charset: str = "") -> OpenedFile:
    """Read the header; mistakes are collected, not raised. `charset`: the declared encoding."""
    opened = OpenedFile(FileRead([], {}, CheckedRows(), Mistakes()), lines_of(file, tabs, charset))
    try:
        first = next(opened.lines, None)
        if first is None:
            raise BadFile(1, "the file is empty; its first row must name the columns")
        opened.first = first
        opened.read.header = header_of(first)
    except BadFile as bad:
        opened.read.mistakes.add(bad.row, "", bad.problem)
    return opened


def read_rows(opened: OpenedFile, spec: ListSpec, chosen: Mapped, remembered: Mapped, region: str) -> FileRead:
    """Read and check all rows; mistakes are collected, not raised."""
    read = opened.read
    if read.mistakes.count or opened.first is None:
        return read
    read.mapping, wrong = mapping_of(spec, read.header, chosen, remembered)
    for problem in wrong:
        read.mistakes.add(opened.first.n, "", problem)
    if not wrong:
        try:
            hidden = opened.first.hidden_columns
            columns = [n for i, n in enumerate(read.header) if i in hidden and read.mapping.get(n)]
            read.unseen = HiddenParts(opened.first.n, columns)
            _rows(opened.lines, read, spec, region)
        except BadFile as bad:
            read.mistakes.add(bad.row, "", bad.problem)
    return read


def read_file(file: BinaryIO, spec: ListSpec, chosen: Mapped, remembered: Mapped, region: str, tabs: bool) -> FileRead:
    """Read header and rows."""
    return read_rows(open_file(file, tabs), spec, chosen, remembered, region)


def _rows(lines: Iterator[FileRow], read: FileRead, spec: ListSpec, region: str) -> None:
    named = {column: name for name, column in read.mapping.items() if column != IGNORED}
    checker = Checker(spec, region, lambda column: named.get(column, column))
    checker.mistakes = read.mistakes
    places = [(i, read.mapping[name]) for i, name in enumerate(read.header) if read.mapping.get(name)]
    nameless = [i for i, name in enumerate(read.header) if not name]
    for line in lines:
        if line.is_hidden:
            read.unseen.add(line.n)
        if len(line.cells) > len(read.header):
            read.mistakes.add(line.n, "", f"has {len(line.cells)} cells, but the header has {len(read.header)}")
            continue
        for i in nameless:
            if i < len(line.cells) and not is_blank(line.cells[i]):
                problem = "has a value, but the header has no name for it; name its column, or empty it"
                read.mistakes.add(line.n, f"column {i + 1}", problem)
        row = checker.row(line.n, {column: line.cells[i] for i, column in places if i < len(line.cells)})
        if row is not None and not read.mistakes.count:
            read.rows.add(line.n, row)
        if read.rows.count > MOST_ROWS:
            raise BadFile(line.n, f"is one too many; at most {MOST_ROWS:,} rows are allowed in one file")
    if not read.rows.count and not read.mistakes.count:
        raise BadFile(0, "the file has a header but no rows")

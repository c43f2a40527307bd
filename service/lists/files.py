"""A file of rows, checked whole before anything of it is kept: what it says, or everything that is wrong with it.

Rows that are right wait as lines of JSON in a file without a name, so that memory does not grow with the file.
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
from service.lists.lines import BadFile, Line
from service.lists.mapping import IGNORED, Mapped, header_of, mapping_of
from service.lists.unseen import Unseen
from service.lists.values import is_blank

MOST_FILE_BYTES: Final = 20 * 1024 * 1024
MOST_ROWS: Final = 250_000
SAMPLE: Final = 20


class CheckedRows:
    """Rows that are right, in the order in which they came; `digest`: SHA-256 of them as they are kept."""

    def __init__(self) -> None:
        # Nobody finds it by name, and it is gone with whoever has it open.
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._digest = sha256()
        self.count = 0
        self.sample: list[JsonObject] = []

    def add(self, n: int, row: JsonObject) -> None:
        """One more; `n` is its number where it came from."""
        line = msgspec.json.encode(row, order="sorted") + b"\n"
        self._digest.update(line)
        self._file.write(b"%d " % n + line)
        self.count += 1
        if len(self.sample) < SAMPLE:
            self.sample.append(row)

    @property
    def digest(self) -> bytes:
        """Of all rows so far."""
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
        """Let go of the file."""
        self._file.close()


class FileRead(Struct):
    """What a file says: its header, which column each of its columns is, its rows, and what is wrong.

    `unseen`: what of it a spreadsheet does not show.
    """

    header: list[str]
    mapping: dict[str, str]
    rows: CheckedRows
    mistakes: Mistakes
    unseen: Unseen = field(default_factory=Unseen)


class Opened(Struct):
    """A file of which the header is read: how it was mapped before can be looked up, and then its rows are read."""

    read: FileRead
    lines: Iterator[Line]
    first: Line | None = None


def open_file(file: BinaryIO, tabs: bool, charset: str = "") -> Opened:
    """Its header; raises nothing for what is wrong with it. `charset`: how its text is written, as its sender says."""
    opened = Opened(FileRead([], {}, CheckedRows(), Mistakes()), lines_of(file, tabs, charset))
    try:
        first = next(opened.lines, None)
        if first is None:
            raise BadFile(1, "the file is empty; its first row says what its columns are")
        opened.first = first
        opened.read.header = header_of(first)
    except BadFile as bad:
        opened.read.mistakes.add(bad.row, "", bad.problem)
    return opened


def read_rows(opened: Opened, spec: ListSpec, said: Mapped, remembered: Mapped, region: str) -> FileRead:
    """All of it, checked; raises nothing for what is wrong with the file."""
    read = opened.read
    if read.mistakes.count or opened.first is None:
        return read
    read.mapping, wrong = mapping_of(spec, read.header, said, remembered)
    for problem in wrong:
        read.mistakes.add(opened.first.n, "", problem)
    if not wrong:
        try:
            hidden = opened.first.hidden_columns
            columns = [n for i, n in enumerate(read.header) if i in hidden and read.mapping.get(n)]
            read.unseen = Unseen(opened.first.n, columns)
            _rows(opened.lines, read, spec, region)
        except BadFile as bad:
            read.mistakes.add(bad.row, "", bad.problem)
    return read


def read_file(file: BinaryIO, spec: ListSpec, said: Mapped, remembered: Mapped, region: str, tabs: bool) -> FileRead:
    """Both at once."""
    return read_rows(open_file(file, tabs), spec, said, remembered, region)


def _rows(lines: Iterator[Line], read: FileRead, spec: ListSpec, region: str) -> None:
    named = {column: name for name, column in read.mapping.items() if column != IGNORED}
    checker = Checker(spec, region, lambda column: named.get(column, column))
    checker.mistakes = read.mistakes
    places = [(i, read.mapping[name]) for i, name in enumerate(read.header) if read.mapping.get(name)]
    nameless = [i for i, name in enumerate(read.header) if not name]
    for line in lines:
        if line.is_hidden:
            read.unseen.add(line.n)
        if len(line.cells) > len(read.header):
            read.mistakes.add(line.n, "", f"has {len(line.cells)} cells, and the header {len(read.header)}")
            continue
        for i in nameless:
            if i < len(line.cells) and not is_blank(line.cells[i]):
                said = "has a value, and the header no name for it; name its column, or empty it"
                read.mistakes.add(line.n, f"column {i + 1}", said)
        row = checker.row(line.n, {column: line.cells[i] for i, column in places if i < len(line.cells)})
        if row is not None and not read.mistakes.count:
            read.rows.add(line.n, row)
        if read.rows.count > MOST_ROWS:
            raise BadFile(line.n, f"is one too many; at most {MOST_ROWS:,} rows are taken in one file")
    if not read.rows.count and not read.mistakes.count:
        raise BadFile(0, "the file has a header and no rows")

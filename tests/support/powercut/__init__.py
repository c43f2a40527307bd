"""Simulates a power cut of a process that writes to SQLite: synced data is intact, the rest in any state.

`record.c` records the writes of the process; `cuts` builds the files that a cut at some moment would leave.
"""

import random
import struct
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SOURCE = Path(__file__).with_name("record.c")
SUFFIXES = ("", "-wal", "-journal")
SECTOR = 512
_RECORD = struct.Struct("=IIQQ")
_WRITE, _TRUNCATE, _SYNC, _UNLINK = 1, 2, 3, 4


def built(folder: Path) -> Path:
    """The compiled library."""
    library = folder / "record.so"
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl", "-lpthread"], check=True)
    return library


def environment(library: Path, database: Path, log: Path) -> dict[str, str]:
    """The environment of the process whose writes are recorded."""
    return {"LD_PRELOAD": str(library), "POWERCUT_FILE": str(database), "POWERCUT_LOG": str(log)}


@dataclass
class _File:
    """`durable`: the content after a cut for certain; `waiting`: writes that may or may not be in it."""

    durable: bytearray = field(default_factory=bytearray)
    waiting: list[tuple[int, int, bytes]] = field(default_factory=list)

    def take(self, op: int, offset: int, data: bytes) -> None:
        if op != _SYNC:
            self.waiting.append((op, offset, data))
            return
        for waited in self.waiting:
            _apply(self.durable, *waited)
        self.waiting.clear()

    def after_cut(self, dice: random.Random) -> bytearray:
        """Each write since the last sync is complete, partial or lost."""
        found = bytearray(self.durable)
        for op, offset, data in self.waiting:
            luck = dice.random()
            if luck < 0.4:
                _apply(found, op, offset, data)
            elif luck < 0.6 and op == _WRITE:
                _apply(found, op, offset, data[: dice.randrange(0, len(data) + 1, SECTOR)])
        return found


def _apply(content: bytearray, op: int, offset: int, data: bytes) -> None:
    if op == _WRITE:
        if len(content) < offset + len(data):
            content.extend(bytes(offset + len(data) - len(content)))
        content[offset : offset + len(data)] = data
    else:
        size = offset if op == _TRUNCATE else 0
        del content[size:]
        content.extend(bytes(size - len(content)))


def cuts(log: Path, before: bytes, folder: Path, count: int, seed: int) -> Iterator[tuple[int, Path]]:
    """(length of the log at the cut, the database) for `count` cuts at random moments; `before`: the first content."""
    dice = random.Random(seed)
    recorded = log.read_bytes()
    places = list(_places(recorded))
    moments = sorted(dice.sample(range(len(places)), min(count, len(places))))
    files = [_File(), _File(), _File()]
    files[0].durable += before
    for n, (op, which, offset, data, end) in enumerate(places):
        files[which].take(op, offset, data)
        if moments and moments[0] == n:
            moments.pop(0)
            yield end, _written(files, folder / f"cut-{n}", dice)


def _places(recorded: bytes) -> Iterator[tuple[int, int, int, bytes, int]]:
    at = 0
    while at + _RECORD.size <= len(recorded):
        op, which, size, offset = _RECORD.unpack_from(recorded, at)
        at += _RECORD.size
        data = recorded[at : at + size]
        at += size
        yield op, which, offset, data, at


def _written(files: Sequence[_File], folder: Path, dice: random.Random) -> Path:
    folder.mkdir()
    for file, suffix in zip(files, SUFFIXES, strict=True):
        if content := file.after_cut(dice):
            (folder / f"ledger.db{suffix}").write_bytes(content)
    return folder / "ledger.db"

"""Free ports for tests; none is handed out twice, by us or by the system.

A port found free by binding to 0 and closing may be taken before its user listens, by another bind to 0 or by an
outgoing connection, as both use one range (Linux, `ip_local_port_range`). These ports are below that range, in blocks
of which each process holds one by a file lock.
"""

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import IO, Final

_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
# Ports below are for well-known services.
_FIRST: Final = 10_240
_LAST: Final = 65_535
# More than a test process uses in a run.
_BLOCK: Final = 500


class _Block:
    """A block of ports, this process's while `lock` is open; used in rotation."""

    def __init__(self, ports: range, lock: IO[bytes]) -> None:
        self._ports = ports
        self._lock = lock
        self._next = 0

    def free(self) -> int:
        for _ in self._ports:
            port = self._ports[self._next]
            self._next = (self._next + 1) % len(self._ports)
            if _is_free(port):
                return port
        raise RuntimeError(f"no free port in {self._ports}")


def free_port() -> int:
    """A port that nobody listens on, nor will before the caller."""
    return _block(os.getpid()).free()


def _is_free(port: int) -> bool:
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@cache
def _block(process: int) -> _Block:
    folder = Path(tempfile.gettempdir()) / f"stagebell-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    for ports in _blocks():
        lock = (folder / str(ports.start)).open("wb")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        return _Block(ports, lock)
    raise RuntimeError(f"all blocks of ports are in use, see {folder}")


def _blocks() -> Iterator[range]:
    """All blocks; if there are too few ports below the system's range, above it, or else within it."""
    low, high = (int(n) for n in _RANGE.read_text().split()) if _RANGE.exists() else (32_768, 60_999)
    places = [(_FIRST, low), (high + 1, _LAST + 1), (low, high)]
    for start, end in places:
        for first in range(start, end - _BLOCK + 1, _BLOCK):
            yield range(first, first + _BLOCK)

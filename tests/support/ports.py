"""Ports of this machine for what tests start: none of them is handed out twice, by us or by the system.

A port that was found free and let go again (bound to 0, and closed) may be taken before its user listens: by whatever
else binds to 0, or connects, as both take theirs from one range (Linux, `ip_local_port_range`). These lie beneath that
range, in blocks of which each process holds one by a lock that ends with it.
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
# Beneath these, well-known services listen.
_FIRST: Final = 10_240
_LAST: Final = 65_535
# More than one test process uses in a run.
_BLOCK: Final = 500


class _Block:
    """A block that is this process's own while `lock` is open, gone through once round."""

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
    """A port of this machine that nobody listens on, nor will before whoever asks here does."""
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
    """All there are; where the system leaves too little beneath its own range, above it, or else within it."""
    low, high = (int(n) for n in _RANGE.read_text().split()) if _RANGE.exists() else (32_768, 60_999)
    places = [(_FIRST, low), (high + 1, _LAST + 1), (low, high)]
    for start, end in places:
        for first in range(start, end - _BLOCK + 1, _BLOCK):
            yield range(first, first + _BLOCK)

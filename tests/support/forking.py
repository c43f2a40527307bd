"""Forks `stagebell` processes from one that has imported the service already, as importing it takes a second.

They behave as if started by `python -m service`: own process id, environment, folder and files, `stagebell`'s entry
point and exit. What changes Python's start itself (LD_PRELOAD, PYTHONPATH) needs `subprocess`; see `can_fork`.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Final

ROOT: Final = Path(__file__).parents[2]
MOST_BYTES: Final = 1 << 20
# Set for tests; measurements start processes as operators do.
ALLOWED: Final = threading.Event()
# Modules that commands import at run time, so that children need not.
IMPORTED: Final = (
    "service.cli", "service.app", "service.cli.running", "service.cli.demo", "service.cli.checking", "service.cli.publishing",
    "service.cli.dead", "service.cli.explaining", "service.cli.auditing", "service.cli.gap", "alembic.command", "uvloop",
    "asyncpg", "aiosqlite", "aio_pika", "sqlalchemy.dialects.postgresql.asyncpg", "sqlalchemy.dialects.sqlite.aiosqlite",
)  # fmt: skip


def can_fork(env: Mapping[str, str]) -> bool:
    """Whether this is a test, and nothing in the environment affects Python's start."""
    if not (ALLOWED.is_set() and hasattr(os, "pidfd_open")):
        return False
    others = [name for name in env if name.startswith(("LD_", "PYTHON")) and env[name] != os.environ.get(name)]
    return env.get("PYTHONPATH") == str(ROOT) and others in ([], ["PYTHONPATH"])


class Forked:
    """A forked process, with the methods of `subprocess.Popen` that tests use."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it is running."""
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        """The exit code; raises subprocess.TimeoutExpired after `timeout` seconds."""
        code = self._look(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"stagebell, forked as {self.pid}", timeout or 0.0)
        return code

    def _look(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._ended], [], [], timeout)[0]:
            os.close(self._ended)
            self.returncode = _server().code_of(self.pid)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._ended, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


def start(
    arguments: Sequence[str],
    env: Mapping[str, str],
    folder: Path,
    stdin: IO[bytes],
    stdout: IO[bytes],
    stderr: IO[bytes],
) -> Forked:
    """Start `stagebell` with these arguments; the caller's files stay open."""
    files = [stdin.fileno(), stdout.fileno(), stderr.fileno()]
    return Forked(_server().fork([list(arguments), dict(env), str(folder)], files))


class _Server:
    """The forking process, as seen from the test process, which has one."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", __name__, str(theirs.fileno())]
            self._process = subprocess.Popen(command, cwd=ROOT, env=_clean(), pass_fds=[theirs.fileno()])
        self._one_at_a_time = threading.Lock()
        atexit.register(self.close)

    def fork(self, wanted: list[object], files: list[int]) -> int:
        return self._ask(wanted, files)

    def code_of(self, pid: int) -> int:
        return self._ask(pid, [])

    def _ask(self, question: object, files: list[int]) -> int:
        with self._one_at_a_time:
            socket.send_fds(self._socket, [json.dumps(question).encode()], files)
            return int(self._socket.recv(MOST_BYTES))

    def close(self) -> None:
        self._socket.close()
        self._process.wait(10)


@cache
def _server() -> _Server:
    return _Server()


def _clean() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("STAGEBELL_")} | {"PYTHONPATH": str(ROOT)}


def _serve(ours: socket.socket) -> None:
    """Serve fork requests; returns in each child, and at the end."""
    while True:
        said, files, _, _ = socket.recv_fds(ours, MOST_BYTES, 3)
        if not said:
            os._exit(0)
        wanted = json.loads(said)
        if isinstance(wanted, int):
            ours.send(str(os.waitstatus_to_exitcode(os.waitpid(wanted, 0)[1])).encode())
            continue
        arguments, env, folder = wanted
        _read_packs(env.get("STAGEBELL_WORKFLOWS", ""))
        pid = os.fork()
        if pid == 0:
            ours.close()
            _become(arguments, env, folder, files)
            return
        for file in files:
            os.close(file)
        ours.send(str(pid).encode())


def _read_packs(folder: str) -> None:
    """Load and compile packs once, instead of in each child; errors are reported by the child."""
    from service.workflows import packs

    with contextlib.suppress(Exception):
        for pack in packs.build_all(Path(folder)) if folder.startswith("/") else ():
            pack.templates.warm()
    gc.freeze()


def _become(arguments: list[str], env: dict[str, str], folder: str, files: list[int]) -> None:
    """Set up the child like exec would."""
    import uuid_utils

    uuid_utils.reseed_rng()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    os.chdir(folder)
    sys.argv = ["stagebell", *arguments]
    sys.path[0] = folder


if __name__ == "__main__":
    gc.disable()
    for module in IMPORTED:
        importlib.import_module(module)
    gc.freeze()
    _serve(socket.socket(fileno=int(sys.argv[1])))
    from service.__main__ import start as stagebell

    stagebell()

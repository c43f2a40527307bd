"""Shares resources among the test processes of a run: the first that needs one creates it.

They coordinate by locks on files (`flock`) in a folder of the run; the locks end with the process.
"""

import contextlib
import fcntl
import pickle
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

import pytest

T = TypeVar("T")


def folder_of_run(factory: pytest.TempPathFactory) -> Path:
    """One folder for all test processes of this run (pytest-xdist gives each a temporary folder beside the others')."""
    own = factory.getbasetemp()
    folder = (own.parent if own.name.startswith("popen-gw") else own) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


def once(folder: Path, name: str, make: Callable[[], object]) -> None:
    """Return when one of the processes has called `make`; its exceptions are raised in that process only."""
    done = folder / f"{name}.done"
    with (folder / f"{name}.making").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not done.exists():
            make()
            done.touch()


@contextlib.contextmanager
def shared(folder: Path, name: str, start: Callable[[], AbstractContextManager[T]]) -> Iterator[T]:
    """The resource of `start`, created once; the creator ends it after the last user has left.

    It is passed to the other processes pickled.
    """
    card = folder / f"{name}.pickle"
    with (folder / f"{name}.users").open("w") as users, contextlib.ExitStack() as ours:
        with (folder / f"{name}.making").open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_SH)
            if card.exists():
                found: T = pickle.loads(card.read_bytes())
            else:
                found = ours.enter_context(start())
                card.write_bytes(pickle.dumps(found))
                ours.callback(fcntl.flock, users, fcntl.LOCK_EX)  # runs before the resource ends
        yield found

"""The pure tests under slipcover in two halves side by side, for `make test-fast`.

Both are forked from a process that has read in the service: to write slipcover's probes into the core takes longer than
to import all the rest, and is done once. slipcover adds up what forked processes ran that end by `os._exit`.
"""

import gc
import importlib
import os
import sys
from pathlib import Path
from typing import Final

import pytest

from service.runtime import memory

# What the fixtures and most of the tests import.
IMPORTED: Final = ("service.app", "hypothesis")
PURE: Final = ("-p", "no:xdist", "-p", "no:cacheprovider", "-q", "-m", "not long")
FOLDERS: Final = (Path("tests/property"), Path("tests/unit"))
# Where they are halved, by the first letter of the file's subject; property tests are in the second half.
MIDDLE: Final = "m"
LOG: Final = Path(".fast.log")


def main(arguments: list[str]) -> int:
    """Run both and print what each says. The exit code: 0, or that of one that failed."""
    first, second = (tuple(map(str, half)) for half in halves())
    gc.disable()  # slipcover makes a million objects of syntax trees
    for module in IMPORTED:
        importlib.import_module(module)
    memory.settle()
    if (child := os.fork()) == 0:
        with LOG.open("wb") as log:
            os.dup2(log.fileno(), sys.stdout.fileno())
            os.dup2(log.fileno(), sys.stderr.fileno())
        code = int(pytest.main([*PURE, *second, *arguments]))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    code = int(pytest.main([*PURE, *first, *arguments]))
    other = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(LOG.read_text(), flush=True)
    LOG.unlink()
    return code or other


def halves() -> tuple[list[Path], list[Path]]:
    """The files of each half."""
    first: list[Path] = []
    second: list[Path] = []
    for file in sorted(file for folder in FOLDERS for file in folder.rglob("test_*.py")):
        is_first = file.is_relative_to("tests/unit") and file.name < f"test_{MIDDLE}"
        (first if is_first else second).append(file)
    return first, second


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The pure tests in two halves side by side, for `make test-fast`, under slipcover.

Both are forked from a process that has read in the service: to write slipcover's probes into the core takes longer than
to import all the rest, and is done once. slipcover adds up what forked processes ran that end by `os._exit`.
"""

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
HALVES: Final = (
    ("--ignore-glob=*/unit/test_[a-l]*", "tests/unit", "tests/property"),
    ("--ignore-glob=*/unit/test_[m-z]*", "tests/unit"),
)
LOG: Final = Path(".fast.log")


def main(arguments: list[str]) -> int:
    """Run both; what the first one says comes after the second one's. The exit code: 0, or that of one that failed."""
    for module in IMPORTED:
        importlib.import_module(module)
    memory.settle()
    first, second = ([*PURE, *half, *arguments] for half in HALVES)
    if (child := os.fork()) == 0:
        with LOG.open("wb") as log:
            os.dup2(log.fileno(), sys.stdout.fileno())
            os.dup2(log.fileno(), sys.stderr.fileno())
        code = int(pytest.main(first))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    code = int(pytest.main(second))
    other = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(LOG.read_text(), flush=True)
    LOG.unlink()
    return code or other


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

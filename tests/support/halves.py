"""The pure tests in three parts side by side, for `make test-fast`; those of the core under slipcover, in two halves.

Both halves are forked from a process that has read in the service: to write slipcover's probes into the core takes
longer than to import all the rest, and is done once. slipcover adds up what forked processes ran that end by
`os._exit`. On the other processor, the tests that have nothing to do with the core run meanwhile, without probes.
"""

import gc
import importlib
import os
import re
import subprocess  # nosec B404
import sys
from pathlib import Path
from typing import Final

import pytest

from service.runtime import memory

# What the fixtures and most of the tests import.
IMPORTED: Final = ("service.app", "hypothesis")
PURE: Final = ("-p", "no:xdist", "-p", "no:cacheprovider", "-q", "-m", "not long")
FOLDERS: Final = (Path("tests/property"), Path("tests/unit"))
# What tests of the core import: it, or helpers that do.
OF_THE_CORE: Final = re.compile(
    r"service\.(domain|workflows)\b"
    r"|tests\.support\.(by_hand|clock_model|events|family|full_day|hands|life|packs|scenarios)\b"
)
# Where the tests of the core are halved, by the first letter of the file's subject; property tests are in the second.
MIDDLE: Final = "m"
LOG: Final = Path(".fast.log")
LOG_OF_OTHERS: Final = Path(".fast-others.log")


def main(arguments: list[str]) -> int:
    """Run all three and print what each says. The exit code: 0, or that of one that failed."""
    first, second, others = (tuple(map(str, part)) for part in parts())
    with LOG_OF_OTHERS.open("wb") as log:
        command = (sys.executable, "-m", "pytest", *PURE, *others, *arguments)
        beside = subprocess.Popen(command, stdout=log, stderr=log)  # nosec B603
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
    codes = (code, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), beside.wait())
    for said in (LOG, LOG_OF_OTHERS):
        print(said.read_text(), flush=True)
        said.unlink()
    return next(filter(None, codes), 0)


def parts() -> tuple[list[Path], list[Path], list[Path]]:
    """The files with tests of the core, in halves, and the other ones."""
    first: list[Path] = []
    second: list[Path] = []
    others: list[Path] = []
    for file in sorted(file for folder in FOLDERS for file in folder.rglob("test_*.py")):
        if not OF_THE_CORE.search(file.read_text("utf-8")):
            others.append(file)
        elif file.is_relative_to("tests/unit") and file.name < f"test_{MIDDLE}":
            first.append(file)
        else:
            second.append(file)
    return first, second, others


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

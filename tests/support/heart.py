"""Branch coverage of the pure core by its own tests, from slipcover's reports; see `make test-fast`.

The core is `service/domain` and `service/workflows`, which need no database, broker or network.
"""

import sys
from pathlib import Path
from typing import Final

import msgspec

AT_LEAST: Final = 95.0


class File(msgspec.Struct):
    """A file of the report; a branch is a pair of lines."""

    executed_branches: list[tuple[int, int]] = []
    missing_branches: list[tuple[int, int]] = []


class Report(msgspec.Struct):
    """slipcover's report (`--branch --json`)."""

    files: dict[str, File]


def main(*paths: str) -> int:
    """Print the share and each branch that no test took in any report; returns 1 if the share is too small."""
    taken: set[tuple[str, int, int]] = set()
    others: set[tuple[str, int, int]] = set()
    for path in paths:
        for name, file in msgspec.json.decode(Path(path).read_bytes(), type=Report).files.items():
            taken |= {(name, *branch) for branch in file.executed_branches}
            others |= {(name, *branch) for branch in file.missing_branches}
    seen, missing = len(taken), [f"{name}:{a} to {b or 'the end'}" for name, a, b in sorted(others - taken)]
    share = 100 * seen / (seen + len(missing))
    for line in missing if share < AT_LEAST else ():
        print(f"not taken: {line}")
    print(
        f"branches of the heart that its tests take: {share:.1f} % of {seen + len(missing)}; at least {AT_LEAST:.0f} %"
    )
    return int(share < AT_LEAST)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

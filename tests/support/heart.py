"""How much of the heart its own tests see: the share of branches that ran, from slipcover's reports; see `make test-fast`.

The heart is `service/domain` and `service/workflows`: what needs no database, broker or network.
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
    """What slipcover writes with `--branch --json`."""

    files: dict[str, File]


def main(*paths: str) -> int:
    """Print the share, and each branch that no test took in any of these reports; 1 where the share is too small."""
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

"""The longest tests come first in each worker's share, so that none begins when the others are done."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

# Seconds that a test took, by its name without parameters; only of those that take some. `pytest --durations=0` says them.
FILE: Final = Path(__file__).parents[1] / "data" / "longest.json"


def longest() -> dict[str, float]:
    """The tests that take long, longest first, and their seconds."""
    seconds: dict[str, float] = json.loads(FILE.read_text(encoding="utf-8"))
    return dict(sorted(seconds.items(), key=lambda named: named[1], reverse=True))


def dealt(items: Sequence[pytest.Item], workers: int) -> list[pytest.Item]:
    """The same tests: `--dist worksteal` gives each worker an equal part of the line, and what is left goes to the idle."""
    seconds = longest()

    def takes(item: pytest.Item) -> float:
        return seconds.get(item.nodeid.partition("[")[0], 0)

    first = sorted((i for i in items if takes(i)), key=takes, reverse=True)
    others = [i for i in items if not takes(i)]
    line: list[pytest.Item] = []
    for worker in range(workers):
        own = first[worker::workers]
        # What xdist gives to this one, as it counts.
        share = len(items) * (worker + 1) // workers - len(line)
        rest, others = others[: share - len(own)], others[share - len(own) :]
        line += [*own, *rest]
    return line

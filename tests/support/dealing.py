"""Orders tests so that each worker runs its longest ones first, and none begins when the others are done."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

# Seconds by test name without parameters, for slow tests only, from `pytest --durations=0`.
FILE: Final = Path(__file__).parents[1] / "data" / "longest.json"


def longest() -> dict[str, float]:
    """The slow tests, longest first, and their seconds."""
    seconds: dict[str, float] = json.loads(FILE.read_text(encoding="utf-8"))
    return dict(sorted(seconds.items(), key=lambda named: named[1], reverse=True))


def dealt(items: Sequence[pytest.Item], workers: int) -> list[pytest.Item]:
    """The tests in another order: `--dist worksteal` gives each worker an equal part, and idle ones steal the rest."""
    seconds = longest()

    def takes(item: pytest.Item) -> float:
        return seconds.get(item.nodeid.partition("[")[0], 0)

    first = sorted((i for i in items if takes(i)), key=takes, reverse=True)
    others = [i for i in items if not takes(i)]
    line: list[pytest.Item] = []
    for worker in range(workers):
        own = first[worker::workers]
        # The number of tests that xdist gives to this worker.
        share = len(items) * (worker + 1) // workers - len(line)
        rest, others = others[: share - len(own)], others[share - len(own) :]
        line += [*own, *rest]
    return line

"""The longest tests come first in each worker's share, and none is lost or run twice."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests.support import dealing
from tests.support.world import ROOT


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_each_share_begins_with_its_longest(workers: int) -> None:
    known = dict.fromkeys(dealing.longest(), 0)
    items: list[Any] = [SimpleNamespace(nodeid=f"tests/unit/test_short.py::test_{n}") for n in range(100)]
    items += [SimpleNamespace(nodeid=f"{name}[any]") for name in known]
    line = dealing.dealt(items, workers)
    assert sorted(i.nodeid for i in line) == sorted(i.nodeid for i in items)
    for worker in range(workers):
        first = line[len(line) * worker // workers].nodeid
        assert first == f"{list(known)[worker]}[any]"


def test_every_test_that_is_named_as_long_is_there() -> None:
    for name in dealing.longest():
        file, _, test = name.partition("::")
        assert f"def {test}(" in (ROOT / file).read_text(), name

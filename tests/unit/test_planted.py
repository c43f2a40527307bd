"""The bugs that the harness is tried with fit the source as it stands."""

import pytest

from tests.chaos.planted import BUGS, Bug, planted


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_one_place_of_source_that_compiles(bug: Bug) -> None:
    assert planted(bug)

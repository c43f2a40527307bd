"""Every line of the lifecycles, as a case of a scenario file, straight against `decide` with a moved clock."""

from typing import Any

import pytest

from tests.support.life import Life
from tests.support.packs import all_packs
from tests.support.scenarios import cases, check, play_in_memory

CASES = list(cases())


@pytest.mark.parametrize(("workflow", "case"), CASES, ids=[f"{w}: {c['name']}" for w, c in CASES])
def test_scenario(workflow: str, case: dict[str, Any]) -> None:
    check(case, play_in_memory(Life(all_packs().get(workflow)), workflow, case))

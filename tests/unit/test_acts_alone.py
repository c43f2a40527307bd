"""The lifecycles played by acts alone end in the same messages, clocks and escalations as when events play them."""

from typing import Any

import pytest

from tests.support.by_hand import opened, play_by_hand
from tests.support.life import Life
from tests.support.packs import all_packs
from tests.support.scenarios import cases, check

CASES = list(cases())
# One whole life of each, by the acts of the pack as it is.
WHOLE = {
    "device_pickup": "the whole life",
    "home_service": "the whole life, with reminders",
    "repair": "one step at a time; a draft tells the customer nothing",
    "marketing_services": "the whole life; the provider first hears at approved, then the partner of every change",
}


@pytest.mark.parametrize(("workflow", "case"), CASES, ids=[f"{w}: {c['name']}" for w, c in CASES])
def test_scenario(workflow: str, case: dict[str, Any]) -> None:
    check(case, play_by_hand(Life(opened(all_packs().get(workflow), case)), workflow, case))


@pytest.mark.parametrize(("workflow", "name"), WHOLE.items())
def test_a_whole_life_by_the_acts_of_the_pack_as_it_is(workflow: str, name: str) -> None:
    (case,) = [c for w, c in CASES if (w, c["name"]) == (workflow, name)]
    check(case, play_by_hand(Life(all_packs().get(workflow)), workflow, case))

"""Whose message goes next."""

from datetime import timedelta

from msgspec.structs import replace

from service.domain.turns import APART, HEAD_START, MOST_BEHIND, behind_others, last_turn, turn_of
from tests.support.events import NOON
from tests.unit.test_notices import N


def test_a_flood_waits_for_itself_alone() -> None:
    turns, busy = [], None
    for _ in range(3000):
        behind = behind_others(busy, NOON)
        busy = NOON + behind + APART
        turns.append(turn_of(replace(N, behind=behind)))
    assert turns == sorted(turns)
    another = replace(N, not_before=NOON + timedelta(seconds=1))
    assert sum(t < turn_of(another) for t in turns) == 10, "the first second's share"
    assert turns[-1] <= last_turn(NOON, codes_only=False), "all of it may be sent while nobody else waits"
    assert behind_others(busy, NOON + MOST_BEHIND + APART) == timedelta(0), "and is forgotten"


def test_codes_come_first_and_take_turns_among_themselves() -> None:
    code = replace(N, secret=True)
    late_code = replace(code, not_before=NOON + timedelta(hours=24))
    assert turn_of(late_code) < turn_of(N)
    assert turn_of(code) < turn_of(replace(code, behind=APART))
    assert turn_of(replace(code, behind=MOST_BEHIND)) <= last_turn(NOON, codes_only=True) < turn_of(N)
    assert timedelta(hours=36) <= HEAD_START

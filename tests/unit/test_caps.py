"""Places under a cap: who may have the next one."""

from hypothesis import given
from hypothesis import strategies as st

from service.ledger.messages.caps import SMALL, Used, codes_own, is_near, place

steps = st.lists(st.tuples(st.sampled_from(["code", "other"]), st.sampled_from(["kept", "freed", "open"])), max_size=60)


@given(st.integers(1, 30), steps)
def test_codes_have_a_fifth_of_every_cap_to_themselves(most: int, sends: list[tuple[str, str]]) -> None:
    used, others = Used(), 0
    for kind, end in sends:
        is_code = kind == "code"
        found = place(most, used, is_code=is_code)
        if is_code and used.codes < codes_own(most):
            assert found == "free", "whatever else was sent"
        if found != "free" or end == "freed":
            continue
        used = used.and_one_more(is_code=is_code)
        others += not is_code
        if end == "kept":
            used = Used(used.taken, used.unsettled - 1, used.codes, used.codes_unsettled - is_code)
        assert others <= (most - codes_own(most) if most >= SMALL else most)
        assert used.taken <= (most if most >= SMALL else most + 1)


def test_what_is_under_way_is_waited_for_and_what_was_accepted_is_not() -> None:
    assert place(10, Used(taken=8, unsettled=1), is_code=False) == "later"
    assert place(10, Used(taken=8), is_code=False) == "over"
    assert place(10, Used(taken=8), is_code=True) == "free"
    assert place(10, Used(taken=10, codes=2, codes_unsettled=1, unsettled=1), is_code=True) == "later"
    assert place(10, Used(taken=10, codes=2), is_code=True) == "over"


def test_small_caps_are_whole_for_everybody_and_one_code_goes_beyond() -> None:
    assert [place(1, Used(taken=n), is_code=False) for n in range(2)] == ["free", "over"]
    assert place(1, Used(taken=1), is_code=True) == "free"
    assert place(1, Used(taken=2, codes=1), is_code=True) == "over"


def test_four_fifths_are_near() -> None:
    assert [n for n in range(11) if is_near(10, n)] == [8, 9, 10]
    assert [n for n in range(4) if is_near(3, n)] == [3]

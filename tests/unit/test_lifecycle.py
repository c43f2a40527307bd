"""Which status may follow which, what entering one needs, and in what words everything else is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.life import Life, begun, happened
from tests.support.packs import errand

STATUSES = ["asked", "quoted", "going", "held", "done", "dropped"]
# Written out by hand: the path with `quoted` optional, and what `also` and `from_any` add.
MAY_FOLLOW = {
    "asked": {"quoted", "going", "dropped"},
    "quoted": {"going", "dropped"},
    "going": {"held", "done", "dropped"},
    "held": {"going", "done", "dropped"},
    "done": set(),
    "dropped": set(),
}
WITH_ALL = {"note": {"text": "Because."}, "attributes": {"reason": "rain"}}


@pytest.mark.parametrize("status", STATUSES[1:])
def test_an_order_starts_where_lives_begin_unless_the_pack_adopts(status: str) -> None:
    words = f"data.status: a new errand order starts as asked, not {status!r}"
    assert Life(errand()).refusal(happened(status)) == words
    assert begun(errand(("adopts: false", "adopts: true")), status, **WITH_ALL).kinds()[0] == "adopted"


@settings(max_examples=examples(400), deadline=None)
@given(st.lists(st.sampled_from(STATUSES), max_size=8))
def test_only_moves_of_the_table_are_taken(walk: list[str]) -> None:
    life, at = begun(errand()), "asked"
    for n, status in enumerate(walk, 1):
        refused = life.refusal(happened(status, n / 100, **WITH_ALL))
        assert bool(refused) == (status != at and status not in MAY_FOLLOW[at]), refused
        at = at if refused else status
        assert life.order is not None
        assert life.order.status == at


@pytest.mark.parametrize(
    ("walk", "words"),
    [
        (["held"], "data.status: 'held' cannot follow 'asked'; allowed: dropped, going, quoted"),
        (["going", "done", "going"], "data.status: the order ended as 'done'; 'going' cannot follow"),
        (["goin"], "data.status: unknown status 'goin'; did you mean 'going'?"),
        (["xyz"], "data.status: unknown status 'xyz'; known: asked, done, dropped, going, held, quoted"),
        (["going", "held"], "data.attributes.reason: entering 'held' needs it"),
        (["going", "dropped"], "data.note: entering 'dropped' from 'going' needs it"),
    ],
)
def test_a_refusal_says_what_would_be_right(walk: list[str], words: str) -> None:
    life = begun(errand())
    assert [r for n, status in enumerate(walk, 1) if (r := life.refusal(happened(status, n / 100)))] == [words]


def test_what_a_status_needs_only_when_it_is_entered_from_elsewhere_is_not_asked_for() -> None:
    life = begun(errand())
    assert life.refusal(happened("dropped")) == ""


def test_a_repeat_updates_or_is_refused_as_the_pack_says() -> None:
    life = begun(errand())
    life.take(happened("asked", attributes={"size": "big"}))
    assert life.kinds()[-1] == "data_updated"
    refusing = begun(errand(("  repeat: update", "  repeat: reject")))
    assert refusing.refusal(happened("asked")) == "data.status: the order is already 'asked', and a repeat is not taken"


def test_a_status_that_nothing_may_follow_lists_nothing() -> None:
    life = begun(
        errand(("path: [asked, quoted, going, done]", "path: [asked, quoted, going, done]\n  back: [asked]")), "asked"
    )
    life.take(happened("quoted"))
    assert life.refusal(happened("asked")) == ""

"""The message state machine."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from service.domain.notices import (
    FINAL_STATES,
    Accepted,
    Deferred,
    Lookup,
    Message,
    NoAnswer,
    Permanent,
    ProviderResult,
    Receipt,
    Refused,
    Transient,
    before_sending,
)
from service.domain.order import order_uuid
from service.domain.settling import RECEIPT_RANK, ended_unsent, gives_place_back, retry_delay, settle
from service.ledger.database.engine import new_uuid
from tests.support.events import NOON

ORDER = order_uuid(new_uuid())
N = Message(
    id=ORDER, notice_id=ORDER, order_id=ORDER, notice="n", channel="sms", audience="customer", person=0,
    address="+919812345678", name="", locale="en", timezone="", state="sending",
    valid_until=NOON + timedelta(hours=24), not_before=NOON,
)  # fmt: skip

receipts: st.SearchStrategy[Receipt] = st.builds(Receipt, st.sampled_from(tuple(RECEIPT_RANK)), st.just("SM1"))
answers: st.SearchStrategy[ProviderResult] = st.one_of(
    st.just(Accepted("t", "SM1")),
    st.just(Transient("t", "429", "x", 5.0)),
    st.just(Permanent("t", "21211", "x", "bad_address")),
    st.just(Refused("t", "20003", "x")),
    st.just(NoAnswer("t", "TimeoutError")),
    st.just(Lookup()),
    st.just(Lookup(missing=True)),
    receipts,
)


@given(
    st.lists(st.tuples(answers, st.integers(0, 400)), max_size=12), st.sampled_from(["resend", "while_fresh", "never"])
)
def test_ends_are_final_and_receipts_never_go_down(steps: list[tuple[ProviderResult, int]], policy: str) -> None:
    n, now, resends = replace(N, when_unknown=policy), NOON, 0
    rank = {"sent": 1, "delivered": 2, "undelivered": 2, "read": 3}
    for answer, later in steps:
        now += timedelta(seconds=later)
        before = n
        n = settle(n, answer, now, 0.5)
        if before.state in FINAL_STATES:
            assert n is before or (before.state, n.state) == ("delivered", "read")
        assert not (n.resent and n.state in ("expired", "superseded", "suppressed")), "it may have left"
        if before.state in rank:
            assert rank[n.state] >= rank[before.state]
        if n.state in ("pending", "retrying"):
            resends += n.resent > before.resent
            n = replace(n, state="sending", attempts=n.attempts + 1)
    assert resends <= 1
    assert policy == "resend" or resends <= (policy == "while_fresh")


def test_unknown_is_resent_once_for_status_messages() -> None:
    unknown = settle(N, NoAnswer("t", "x"), NOON, 0)
    assert (unknown.state, unknown.not_before) == ("unknown", NOON + timedelta(minutes=2))
    again = settle(unknown, Lookup(), NOON + timedelta(minutes=2), 0)
    assert (again.state, again.resent) == ("pending", 1)
    once_more = settle(replace(again, state="unknown"), Lookup(), NOON + timedelta(minutes=4), 0)
    assert once_more.state == "unknown"


def test_a_send_that_died_with_its_process_and_never_arrived_does_not_count() -> None:
    died = replace(N, state="unknown", resent=1)
    missing = Lookup(missing=True)
    again = settle(died, missing, NOON, 0)
    assert (again.state, again.resent) == ("pending", 1)
    assert settle(replace(died, resent=0), missing, NOON, 0).resent == 0
    # A provider that was silent, or money, or a code that is old: as ever.
    silent = settle(replace(N, resent=1), NoAnswer("t", "TimeoutError"), NOON, 0)
    assert settle(silent, missing, NOON + timedelta(minutes=2), 0).state == "unknown"
    assert settle(replace(died, when_unknown="never"), missing, NOON, 0).state == "unknown"
    old_code = replace(died, when_unknown="while_fresh", valid_until=NOON + timedelta(seconds=60))
    assert settle(old_code, missing, NOON, 0).state == "unknown"


@pytest.mark.parametrize(("left", "state"), [(61, "pending"), (60, "unknown"), (-1, "unknown")])
def test_unknown_code_is_resent_only_with_more_than_60_s_of_life(left: int, state: str) -> None:
    n = replace(N, state="unknown", when_unknown="while_fresh", valid_until=NOON + timedelta(seconds=left))
    assert settle(n, Lookup(), NOON, 0).state == state


def test_unknown_money_is_never_resent_and_a_status_once() -> None:
    assert settle(replace(N, state="unknown", when_unknown="never"), Lookup(), NOON, 0).state == "unknown"
    assert settle(replace(N, state="unknown"), Lookup(), NOON, 0).state == "pending"
    assert settle(replace(N, state="unknown", resent=1), Lookup(), NOON, 0).state == "unknown"


def test_a_receipt_settles_an_unknown_and_beats_our_own_answer() -> None:
    assert settle(replace(N, state="unknown"), Receipt("queued", "SM1"), NOON, 0).state == "sent"
    delivered = settle(N, Receipt("delivered", "SM1"), NOON, 0)
    assert delivered.state == "delivered"
    assert settle(delivered, Accepted("t", "SM1"), NOON, 0) is delivered


def test_what_may_have_left_is_never_said_to_have_ended_unsent() -> None:
    again = replace(N, resent=1)
    for end in ("expired", "superseded", "suppressed"):
        assert ended_unsent(again, end, "why").state == "unknown"
        assert ended_unsent(N, end, "why").state == end
    late = replace(again, valid_until=NOON)
    assert settle(late, Transient("t", "429", "x"), NOON, 0).state == "unknown"


def test_what_a_dead_process_may_have_sent_is_never_said_to_have_ended_unsent() -> None:
    """Its provider did not have it soon after; it is asked once more, and not again and again."""
    died = replace(N, state="unknown", attempts=1)
    again = settle(died, Lookup(missing=True), NOON, 0)
    assert (again.state, again.resent) == ("pending", 0)
    for waited in (again, settle(replace(again, state="sending"), Deferred("", "the rate limit"), NOON, 0)):
        for end in ("expired", "superseded", "suppressed"):
            ended = ended_unsent(waited, end, "why")
            assert (ended.state, "not sent again: why" in ended.error) == ("unknown", True)
            assert settle(ended, Lookup(missing=True), NOON, 0) is ended
            assert settle(ended, Accepted("t", "SM1"), NOON, 0).state == "sent"


@pytest.mark.parametrize(
    ("before", "answer", "free"),
    [
        (N, Accepted("t", "SM1"), False),
        (N, NoAnswer("t", "x"), False),
        (N, Receipt("undelivered", "SM1"), False),
        (N, Transient("t", "429", "x"), True),
        (N, Refused("t", "20003", "x"), True),
        (N, Permanent("t", "21211", "x"), True),
        (replace(N, valid_until=NOON), Transient("t", "429", "x"), True),
        (replace(N, state="unknown", provider="t"), Lookup(), False),
        (replace(N, state="unknown"), Lookup(missing=True), True),
    ],
)
def test_a_place_under_the_caps_is_free_again_where_nothing_can_have_left(
    before: Message, answer: ProviderResult, free: bool
) -> None:
    assert gives_place_back(before, settle(before, answer, NOON, 0)) is free


def test_retry_honours_retry_after_and_ends_with_the_notices_life() -> None:
    later = settle(N, Transient("t", "429", "x", 30.0), NOON, 0.0)
    assert (later.state, later.not_before) == ("retrying", NOON + timedelta(seconds=30))
    short = replace(N, valid_until=NOON + timedelta(seconds=20))
    assert settle(short, Transient("t", "429", "x", 30.0), NOON, 0.0).state == "expired"


@given(st.integers(0, 100), st.floats(0, 1, exclude_max=True), st.floats(0, 1000))
def test_retry_delay_is_bounded(attempts: int, jitter: float, at_least: float) -> None:
    delay = retry_delay(attempts, jitter, at_least).total_seconds()
    assert at_least - 1e-3 <= delay <= max(300.0, at_least) + 1e-3


@pytest.mark.parametrize(
    ("waited", "passed_by", "supersedable", "state"),
    [(61, True, True, "superseded"), (60, True, True, None), (61, False, True, None), (61, True, False, None)],
)
def test_stale_is_worse_than_silent(waited: int, passed_by: bool, supersedable: bool, state: str | None) -> None:
    verdict = before_sending(
        N, NOON + timedelta(seconds=waited), planned=NOON, supersedable=supersedable, passed_by=passed_by,
        grace=timedelta(seconds=60), opted_out=False,
    )  # fmt: skip
    assert (verdict and verdict[0]) == state


@pytest.mark.parametrize("answer", [Refused("t", "20003", "x", "address", 300.0), Deferred("t", "rests", 300.0)])
def test_what_waits_for_a_provider_is_tried_once_more_within_its_deadline(answer: ProviderResult) -> None:
    code = replace(N, valid_until=NOON + timedelta(minutes=4))
    waiting = settle(code, answer, NOON, 0.5)
    assert waiting.state == "retrying"
    assert NOON < waiting.not_before < code.valid_until
    last = settle(replace(waiting, state="sending"), answer, waiting.not_before + timedelta(seconds=1), 0.5)
    assert last.state in ("retrying", "expired")
    assert (
        settle(replace(waiting, state="sending"), answer, code.valid_until - timedelta(seconds=1), 0.5).state
        == "expired"
    )

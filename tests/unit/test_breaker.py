"""A provider in trouble is left alone, then asked by one probe, and taken back when that is answered."""

from datetime import timedelta

from service.dispatch.breaker import FIRST_REST, LONGEST_REST, OPENS_AFTER, Breaker
from tests.support.events import NOON


def opened() -> Breaker:
    breaker = Breaker()
    for _ in range(OPENS_AFTER):
        assert breaker.permits(NOON, 60) == 60
        breaker.begin()
        breaker.troubled(NOON)
    return breaker


def test_it_opens_after_so_many_troubles_in_a_row_and_lets_one_probe_through() -> None:
    breaker = opened()
    assert breaker.is_open
    assert breaker.permits(NOON + FIRST_REST - timedelta(seconds=1), 60) == 0
    later = NOON + FIRST_REST
    assert breaker.permits(later, 60) == 1
    breaker.begin()
    assert breaker.permits(later, 60) == 0, "the probe is on its way"
    breaker.succeeded()
    assert (breaker.is_open, breaker.permits(later, 60)) == (False, 60)


def test_each_failed_probe_makes_the_rest_longer_up_to_a_limit() -> None:
    breaker, now, rests = opened(), NOON, []
    for _ in range(8):
        until = breaker.rest_until()
        assert until is not None
        rests.append(until - now)
        now = until
        breaker.begin()
        breaker.troubled(now)
    assert rests == sorted(rests)
    assert (rests[0], rests[1], rests[-1]) == (FIRST_REST, 2 * FIRST_REST, LONGEST_REST)


def test_an_answer_in_between_starts_the_count_anew() -> None:
    breaker = Breaker()
    for _ in range(3):
        for _ in range(OPENS_AFTER - 1):
            breaker.troubled(NOON)
        breaker.succeeded()
    assert not breaker.is_open


def test_a_provider_that_asks_for_a_pause_gets_it() -> None:
    breaker = Breaker()
    breaker.pause(NOON + timedelta(seconds=30))
    assert breaker.permits(NOON + timedelta(seconds=29), 60) == 0
    assert breaker.permits(NOON + timedelta(seconds=30), 60) == 60


def test_a_burst_of_sends_that_hang_makes_the_rest_no_longer_than_five_do() -> None:
    breaker = Breaker()
    sends = [breaker.attempt(lambda: NOON) for _ in range(12)]
    for send in sends:
        send.__enter__()
    for send in sends:
        send.__exit__(None, None, None)
    assert breaker.rest_until() == NOON + FIRST_REST
    with breaker.attempt(lambda: NOON + FIRST_REST):
        pass
    assert breaker.rest_until() == NOON + FIRST_REST + 2 * FIRST_REST, "the probe does"


def test_an_end_that_comes_late_does_not_take_the_probes_place() -> None:
    breaker = Breaker()
    late = breaker.attempt(lambda: NOON + FIRST_REST)
    late.__enter__()
    for _ in range(OPENS_AFTER):
        with breaker.attempt(lambda: NOON):
            pass
    late.__exit__(None, None, None)
    assert breaker.permits(NOON + FIRST_REST, 60) == 1

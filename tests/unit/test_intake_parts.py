"""How what waits in the queue is cut into transactions."""

from hypothesis import given
from hypothesis import strategies as st

from service.broker.port import Delivery
from service.intake.loop import MOST_BYTES, in_parts


def delivery(size: int, tag: int) -> Delivery:
    return Delivery(b"x" * size, {}, None, None, "", "", redelivered=False, tag=tag)


@given(st.lists(st.integers(0, 2 * MOST_BYTES), max_size=8))
def test_everything_comes_once_in_order_and_no_part_is_too_large(sizes: list[int]) -> None:
    deliveries = [delivery(size, n) for n, size in enumerate(sizes)]
    parts = list(in_parts(deliveries))
    assert [d for part in parts for d in part] == deliveries
    assert all(len(part) == 1 or sum(len(d.body) for d in part) <= MOST_BYTES for part in parts)
    assert all(parts)


def test_events_of_the_usual_size_stay_one_transaction() -> None:
    assert len(list(in_parts([delivery(1200, n) for n in range(100)]))) == 1

"""What intake takes next: codes first, sources and orders in turn, and each order's events as they came."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from service.broker.port import Delivery
from service.intake.line import MOST_BYTES, DeliveryQueue, QueuedDelivery


def waiting(tag: int, order: str, *, source: str = "/shop", is_code: bool = False, size: int = 1200) -> QueuedDelivery:
    delivery = Delivery(b"x" * size, {}, None, None, "", "", redelivered=False, tag=tag)
    return QueuedDelivery(delivery, order, source, is_code)


def tags(part: list[QueuedDelivery]) -> list[int]:
    return [w.delivery.tag for w in part]


STEP = st.one_of(
    st.tuples(
        st.just("put"), st.sampled_from("abcd"), st.sampled_from(["/one", "/two"]), st.booleans(), st.integers(0, 40)
    ),
    st.tuples(st.just("take"), st.integers(0, 2)),
    st.tuples(st.just("done"), st.integers(0, 2)),
)


class Play:
    """A queue, with the deliveries put into it, given out and done so far."""

    def __init__(self) -> None:
        self.line = DeliveryQueue()
        self.put: list[QueuedDelivery] = []
        self.taken: list[QueuedDelivery] = []
        self.out: dict[int, list[QueuedDelivery]] = {}

    def take(self, worker: int) -> None:
        """Worker 0 takes what is no code; the others take codes."""
        codes = worker > 0
        if worker in self.out:
            return
        part = self.line.take(codes=codes, most=3, most_bytes=50)
        if part:
            theirs = {w.order for others in self.out.values() for w in others}
            assert not theirs & {w.order for w in part}, "an order is in one part at a time"
            assert len(part) == 1 or (len(part) <= 3 and sum(len(w.delivery.body) for w in part) <= 50)
            assert codes or not any(w.is_code for w in part)
            self.out[worker] = part
            self.taken += part

    def done(self, worker: int) -> None:
        self.line.done(self.out.pop(worker, []))


@given(st.lists(STEP, max_size=60))
def test_everything_comes_once_and_no_event_overtakes_another_of_its_order(steps: list[tuple[object, ...]]) -> None:
    play = Play()
    for n, (what, *how) in enumerate(steps):
        if what == "put":
            order, source, is_code, size = how
            w = waiting(n, str(order), source=str(source), is_code=bool(is_code), size=int(str(size)))
            play.put.append(w)
            play.line.put(w)
        elif what == "take":
            play.take(int(str(how[0])))
        else:
            play.done(int(str(how[0])))
    for worker in range(3):
        play.done(worker)
    for _ in range(2 * len(steps)):
        for worker in range(2):
            play.take(worker)
            play.done(worker)
    assert play.line.is_empty
    assert sorted(tags(play.taken)) == tags(play.put)
    orders = defaultdict(list)
    for w in play.taken:
        orders[w.order].append(w.delivery.tag)
    assert all(came == sorted(came) for came in orders.values())


def test_a_code_brings_what_stands_before_it_in_its_order_and_nothing_else() -> None:
    line = DeliveryQueue()
    for n in range(500):
        line.put(waiting(n, f"flood-{n}"))
    line.put(waiting(500, "b"))
    line.put(waiting(501, "b", is_code=True))
    line.put(waiting(502, "b"))
    part = line.take(codes=True)
    assert tags(part) == [500, 501]
    line.done(part)
    assert line.take(codes=True) == []


def test_a_code_waits_while_its_order_is_being_worked_on() -> None:
    line = DeliveryQueue()
    line.put(waiting(1, "a"))
    part = line.take(codes=False)
    line.put(waiting(2, "a", is_code=True))
    assert line.take(codes=True) == []
    line.done(part)
    assert tags(line.take(codes=True)) == [2]


def test_sources_take_turns_and_so_do_the_orders_of_one() -> None:
    line = DeliveryQueue()
    for n in range(6):
        line.put(waiting(n, "one", source="/flood"))
    line.put(waiting(6, "two", source="/flood"))
    line.put(waiting(7, "three", source="/quiet"))
    assert tags(line.take(codes=False, most=5)) == [0, 7, 6, 1, 2]


def test_one_publishers_codes_wait_behind_themselves_alone() -> None:
    line = DeliveryQueue()
    for n in range(300):
        line.put(waiting(n, f"flood-{n}", source="/flood", is_code=True))
    line.put(waiting(300, "other", source="/quiet", is_code=True))
    assert 300 in tags(line.take(codes=True, most=2))


def test_events_of_the_usual_size_are_one_part_and_a_larger_one_goes_alone() -> None:
    line = DeliveryQueue()
    for n in range(100):
        line.put(waiting(n, f"o-{n}"))
    part = line.take(codes=False)
    assert len(part) == 100
    line.done(part)
    line.put(waiting(100, "large", size=2 * MOST_BYTES))
    line.put(waiting(101, "next"))
    assert tags(line.take(codes=False)) == [100]

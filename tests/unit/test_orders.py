"""What an order knows after each event: the newest word, gaps filled by older ones, values by their paths, its people."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.order import Order
from tests.support.events import CUSTOMER
from tests.support.examples import examples
from tests.support.life import after, begun, happened
from tests.support.packs import errand

RUNNER = {"role": "runner", "id": "r1", "name": "Ravi", "email": "ravi@example.com", "phone": "+919800000000"}
FULL: dict[str, Any] = {
    "eta": after(30).isoformat(),
    "appointment": {"start": after(60).isoformat(), "end": after(90).isoformat()},
    "price": {"amount": "10.00", "currency": "EUR"},
    "payment": {"verified": True, "reference": "P-1"},
    "assignee": RUNNER,
    "attributes": {"size": "big", "weight": 3, "parts": ["a", "B"]},
}


def order_of(**said: Any) -> Order:
    order = begun(errand(), **said).order
    assert order is not None
    return order


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("eta", after(30)),
        ("appointment.start", after(60)),
        ("price.currency", "EUR"),
        ("payment.verified", True),
        ("assignee.name", "Ravi"),
        ("attributes.size", "big"),
        ("attributes.size.more", None),
        ("attributes.none", None),
        ("nothing.at.all", None),
    ],
)
def test_values_are_found_by_their_paths(path: str, value: Any) -> None:
    assert order_of(**FULL).value(path) == value


def test_whoever_handles_the_order_is_an_audience_unless_somebody_is_named_for_it() -> None:
    order = order_of(**FULL)
    for audience in ("runner", "assignee"):
        assert [p.name for p in order.people(audience)] == ["Ravi"]
    assert order.people("stranger") == ()
    named = order_of(**FULL, recipients={"runner": {"name": "Noor"}})
    assert [p.name for p in named.people("runner")] == ["Noor"]
    assert order_of().people("assignee") == ()


def test_dates_are_moments_and_days_their_ends() -> None:
    order = order_of(attributes={"visit": "2026-03-05T10:00:00+00:00", "due": "2026-03-05"})
    assert order.date("attributes.visit", "UTC") == datetime(2026, 3, 5, 10, tzinfo=UTC)
    assert order.date("attributes.due", "UTC", start_of_day=True) == datetime(2026, 3, 5, tzinfo=UTC)
    assert order.date("attributes.none", "UTC") is None


@pytest.mark.parametrize("field", ["eta", "appointment", "price", "payment"])
def test_null_takes_a_value_away_and_silence_keeps_it(field: str) -> None:
    life = begun(errand(), **FULL)
    life.take(happened("asked", 1, attributes={"x": 1}))
    assert getattr(life.order, field) is not None
    life.take(happened("asked", 2, **{field: None}))
    assert getattr(life.order, field) is None


@pytest.mark.parametrize("field", [f for f in FULL if f != "attributes"])
def test_an_event_that_was_overtaken_fills_gaps_and_changes_nothing_else(field: str) -> None:
    late = happened("asked", -1, **FULL)
    life = begun(errand())
    assert life.take(late).outcome == "late"
    assert getattr(life.order, field) is not None
    other = begun(errand(), **{**FULL, "eta": after(99).isoformat(), "price": {"amount": "11.00", "currency": "INR"},
                               "appointment": {"start": after(99).isoformat()}, "payment": {"verified": False},
                               "assignee": {"role": "runner", "id": "r2", "name": "Noor"}})  # fmt: skip
    before = getattr(other.order, field)
    other.take(late)
    assert getattr(other.order, field) == before


def test_attributes_of_a_late_event_stand_behind_those_that_are_known() -> None:
    life = begun(errand(), attributes={"size": "big"})
    life.take(happened("asked", -1, attributes={"size": "small", "colour": "red"}))
    assert life.order is not None
    assert life.order.attributes == {"size": "big", "colour": "red"}


@settings(max_examples=examples(400), deadline=None)
@given(st.permutations(range(5)))
def test_in_whatever_order_updates_arrive_the_newest_word_counts(order: list[int]) -> None:
    life = begun(errand())
    life.now = after(10)
    for n in order:
        life.take(happened(at=n + 1, price={"amount": f"{n}.00", "currency": "EUR"}, eta=after(100 + n).isoformat()))
    assert life.order is not None
    assert (life.order.price.amount, life.order.eta) == ("4.00", after(104))  # type: ignore[union-attr]


def test_the_last_person_of_an_audience_can_be_taken_away() -> None:
    life = begun(errand(), recipients={"customer": CUSTOMER, "payer": [{"name": "P", "email": "p@example.com"}]})
    life.take(happened("asked", 1, recipients={"payer": None}))
    assert life.order is not None
    assert not life.order.people("payer")
    assert life.order.people("customer")


def test_a_pack_measures_numbers_when_they_are_new() -> None:
    life = begun(errand(), attributes={"weight": 3})
    seen = [life.take(happened("asked", n, attributes={"weight": w})).observations for n, w in enumerate((3, 4, 4), 1)]
    assert seen == [{}, {"weight": 4.0}, {}]
    loose = begun(errand(("weight: number, ", "")))
    assert loose.take(happened("asked", 1, attributes={"weight": "heavy"})).observations == {}
    assert loose.take(happened("asked", 2, attributes={"weight": "1e999"})).observations == {}
    assert loose.take(happened("asked", 3, attributes={"weight": "7"})).observations == {"weight": 7.0}

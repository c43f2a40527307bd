"""Persons of later events: matched, kept, filled in, removed."""

from typing import Any
from uuid import UUID

import msgspec
import pytest

from service.canonical import canonical_event
from service.domain.event_decoding import decode
from service.domain.events import AssigneeGiven, PersonGiven
from service.domain.order import Order
from service.domain.people import filled_people, merged_assignee, merged_people
from service.domain.persons import Person, as_person
from tests.support.events import NOON, encoded, event

ASHA = Person(
    id="c-1", name="Asha", phone="+919812345678", email="asha@example.com", locale="hi", muted=("traffic",),
    channels=("sms",), push_tokens=("t-1",), country="IN",
)  # fmt: skip
RAVI = Person(id="c-2", name="Ravi", phone="+919800000001")
NAMELESS = Person(phone="+5215512345678")


def given(**said: Any) -> PersonGiven:
    return msgspec.convert(said, PersonGiven)


def merged(known: tuple[Person, ...], *said: PersonGiven, as_list: bool = False) -> tuple[Person, ...]:
    what = tuple(said) if as_list else said[0]
    return merged_people({"customer": known, "partner": (RAVI,)}, {"customer": what})["customer"]


def test_what_is_left_out_keeps_its_value_and_null_removes_it() -> None:
    (after,) = merged((ASHA,), given(id="c-1", email=None, locale="en"))
    assert after == msgspec.structs.replace(ASHA, email=None, locale="en", former=("asha@example.com",))
    (after,) = merged((ASHA,), given(muted=None, channels=None, push_tokens=None, name=None, phone=None))
    assert after == Person(id="c-1", email="asha@example.com", locale="hi", country="IN", former=("+919812345678",))


@pytest.mark.parametrize(
    "said",
    [
        {"id": "c-1", "phone": "+919811111111"},
        {"phone": "+919812345678", "name": "A."},
        {"email": "ASHA@example.com"},
        {"push_tokens": ["t-1"]},
        {"id": "c-9", "phone": "+919812345678"},
    ],
)
def test_a_person_is_known_by_id_else_by_a_shared_address(said: dict[str, Any]) -> None:
    after = merged((RAVI, ASHA), given(**said))
    assert after[0] == RAVI
    assert (len(after), after[1].locale, after[1].muted) == (2, "hi", ("traffic",))


def test_the_only_one_of_an_audience_needs_no_id() -> None:
    (after,) = merged((ASHA,), given(phone="+919822222222"))
    assert (after.phone, after.email, after.locale) == ("+919822222222", "asha@example.com", "hi")


def test_an_address_in_its_other_form_is_the_same_person() -> None:
    after = merged((RAVI, NAMELESS), given(phone="+525512345678", name="Luz"))
    assert [p.name for p in after] == ["Ravi", "Luz"]


def test_another_person_brings_nothing_of_the_one_before() -> None:
    assert merged((ASHA,), given(id="c-7", name="Mina")) == (Person(id="c-7", name="Mina"),)
    assert merged((ASHA, RAVI), given(id="c-7", name="Mina")) == (ASHA, RAVI, Person(id="c-7", name="Mina"))


def test_a_list_names_everybody() -> None:
    after = merged((ASHA, RAVI), given(id="c-2", locale="de"), given(id="c-3"), as_list=True)
    assert after == (msgspec.structs.replace(RAVI, locale="de"), Person(id="c-3"))
    assert merged((ASHA, RAVI), as_list=True) == ()
    everybody = merged_people({"customer": (ASHA,)}, {"customer": None})
    assert everybody == {"customer": ()}


def test_nobody_is_two_persons_of_one_list() -> None:
    shared = (Person(name="Asha", phone="+919812345678"), Person(name="Bina", phone="+919812345678"))
    after = merged(shared, given(phone="+919812345678", locale="hi"), given(phone="+919812345678"), as_list=True)
    assert [(p.name, p.locale) for p in after] == [("Asha", "hi"), ("Bina", None)]


def test_a_late_event_fills_gaps_only() -> None:
    known = {"customer": (ASHA, RAVI), "vendor": ()}
    late = given(id="c-2", phone="+919899999999", email="ravi@example.com", muted=["traffic"])
    after = filled_people(known, {"customer": late, "vendor": given(id="v"), "partner": given(id="p-1")})
    assert after["customer"] == (
        ASHA,
        msgspec.structs.replace(RAVI, email="ravi@example.com", muted=("traffic",)),
    )
    assert after["vendor"] == (), "removed by an event that happened later"
    assert after["partner"] == (Person(id="p-1"),)


def test_an_assignee_keeps_what_is_left_out_until_it_is_another_one() -> None:
    def said(**values: Any) -> AssigneeGiven:
        return msgspec.convert({"role": "vendor", **values}, AssigneeGiven)

    ravi = merged_assignee(None, said(id="v-9", name="Ravi", phone="+919800000000"))
    assert merged_assignee(ravi, said(id="v-9", name="Ravi K")) == msgspec.structs.replace(ravi, name="Ravi K")  # type: ignore[type-var]
    other = merged_assignee(ravi, said(id="v-10"))
    assert other is not None
    assert (other.id, other.phone, other.name) == ("v-10", None, "")
    assert merged_assignee(ravi, None) is None


def test_orders_of_earlier_releases_are_read() -> None:
    old = b'{"name":"Asha","phone":"+91 98123 45678","push_tokens":["t"],"muted":["x"]}'
    assert msgspec.json.decode(old, type=Person).phone == "+91 98123 45678"


@pytest.mark.parametrize("as_list", [False, True])
def test_a_number_written_nationally_again_is_of_whom_it_was_before(as_list: bool) -> None:
    """Read with the pack's country alone it would be a stranger's, and theirs would be gone."""
    known = (Person(name="A", phone="+447400123456", country="GB"), Person(name="B", phone="+919822222222"))
    said: Any = {"phone": "07400 123456", "email": "a@example.com"}
    order = Order(UUID(int=0), "device_pickup", "O-1", "1", "created", "order_created", NOON, NOON, NOON, NOON, NOON)
    order = msgspec.structs.replace(order, recipients={"customer": known})
    named = [said, {"phone": "098222 22222"}] if as_list else said
    later = event("O-1", kind="order.updated", recipients={"customer": named})
    read = canonical_event(decode(encoded(later)), "IN", order)
    assert read.data.recipients
    after = merged_people(order.recipients, read.data.recipients)["customer"]
    assert after == (msgspec.structs.replace(known[0], email="a@example.com"), known[1])


def test_addresses_of_channels_without_a_field_are_kept_by_channel() -> None:
    (first,) = merged((), given(name="Asha", addresses={"chat": "a_1", "pager": ["7", "8"]}))
    assert first.addresses == {"chat": ("a_1",), "pager": ("7", "8")}
    for same in (given(locale="en"), given(locale="en", addresses={})):
        (after,) = merged((first,), same)
        assert after.addresses == first.addresses
    (after,) = merged((first,), given(addresses={"chat": "a_2", "pager": None}))
    assert (after.addresses, after.former) == ({"chat": ("a_2",)}, ("chat:a_1", "pager:7", "pager:8"))
    (after,) = merged((first,), given(addresses=None))
    assert after.addresses == {}


def test_a_name_on_one_channel_is_nobody_on_another() -> None:
    asha = Person(id="c-1", addresses={"chat": ("a_1",)})
    after = merged((RAVI, asha), given(addresses={"chat": "a_1"}, name="Asha"))
    assert [p.name for p in after] == ["Ravi", "Asha"]
    after = merged((RAVI, asha), given(addresses={"pager": "a_1"}, name="Meera"))
    assert [p.name for p in after] == ["Ravi", "", "Meera"]


def test_a_late_event_fills_channels_that_nobody_named_since() -> None:
    known = {"customer": (Person(id="c-1", addresses={"chat": ("new",)}),)}
    late = given(id="c-1", addresses={"chat": "old", "pager": "7"})
    (after,) = filled_people(known, {"customer": late})["customer"]
    assert after.addresses == {"chat": ("new",), "pager": ("7",)}


def test_whoever_handles_an_order_is_reached_on_such_channels_too() -> None:
    said = msgspec.convert({"role": "runner", "id": "r-1", "addresses": {"chat": "r_1"}}, AssigneeGiven)
    assignee = merged_assignee(None, said)
    assert assignee is not None
    assert as_person(assignee).addresses == {"chat": ("r_1",)}

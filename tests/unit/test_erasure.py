"""Who a person is in an order, and what names them: addresses before a change, other channels, every spelling."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from msgspec import structs

from service.domain.attributes import Attribute
from service.domain.erasure import SentTo, Traces, _impersonal, addresses_of, traces_of
from service.domain.events import PersonGiven
from service.domain.order import Order
from service.domain.people import merged_people
from service.domain.persons import Assignee, Person
from tests.support.packs import device_pickup

NOW = datetime(2026, 3, 2, tzinfo=UTC)
ASHA = Person(name="Asha Rao", phone="+919812345678", email="asha@example.com", push_tokens=("T-1",))


def order(**more: object) -> Order:
    moments = dict.fromkeys(("created", "updated", "event_time", "status_since", "stage_since"), NOW)
    return Order(UUID(int=0), "device_pickup", "A-1", "1", "created", "received", **moments, **more)  # type: ignore[arg-type]


def test_a_former_number_leads_to_the_person_and_back() -> None:
    before = {"customer": (ASHA,)}
    after = merged_people(before, {"customer": PersonGiven(phone="+919800011111")})
    assert after["customer"][0].former == ("+919812345678",)
    for asked in ("+919812345678", "+919800011111", "asha@example.com"):
        traces = traces_of(order(recipients=after), [], {asked})
        assert {"+919812345678", "+919800011111", "asha@example.com", "T-1"} <= traces.addresses
        assert traces.names == {"Asha Rao"}


def test_messages_to_the_same_place_of_a_notice_are_the_same_person() -> None:
    told = [
        SentTo("n1", "customer", 0, "+919812345678", "Asha"),
        SentTo("n1", "customer", 0, "old@example.com", "Asha R."),
        SentTo("n2", "customer", 0, "old@example.com", "Asha R."),
        SentTo("n2", "customer", 0, "+4917612345678", "Asha R."),
        SentTo("n1", "customer", 1, "ben@example.com", "Ben"),
    ]
    traces = traces_of(order(), told, {"+919812345678"})
    assert traces.addresses == {"+919812345678", "old@example.com", "+4917612345678"}
    assert traces.names == {"Asha", "Asha R."}


def test_assignees_and_both_forms_of_a_number() -> None:
    vendor = Assignee("vendor", "v-9", "Ravi", phone="+5215512345678")
    assert addresses_of(vendor) == {"+525512345678"}
    assert traces_of(order(assignee=vendor), [], {"+5215512345678"}).names == {"Ravi"}


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("call 098123 45678", True),
        (919812345678, True),
        ("+91-98123-45678", True),
        ("Mail ASHA@Example.com", True),
        ({"x": ["to: Asha"]}, True),
        ("for Mrs. Rao&#39;s flat", True),
        ("Raoul was here", False),
        ("+919812345679", False),
        (True, False),
        (None, False),
    ],
)
def test_what_names_a_person(said: object, named: bool) -> None:
    traces = Traces(frozenset({"+919812345678", "asha@example.com"}), frozenset({"Asha Rao"}))
    assert traces.named_in(said) is named


def test_exactly_asks_for_the_whole_name() -> None:
    traces = Traces(names=frozenset({"Asha Rao", "王小明"}))
    assert traces.named_in("asha  was here") is True
    assert traces.named_in("asha was here", exactly=True) is False
    assert traces.named_in("ASHA RAO was here", exactly=True) is True
    assert traces.named_in("王小明様", exactly=True) is True


def test_attributes_that_tell_of_a_person_go() -> None:
    workflow = device_pickup().workflow

    workflow = structs.replace(workflow, attributes={"floor": Attribute("floor", "number", personal=True)})
    said = {
        "alt_phone": 919812366009,
        "alt_text": "098123 66009",
        "floor": 3,
        "rooms": 4,
        "amount": 12500.5,
        "bought": "2026-01-01T00:00:00Z",
        "nested": {"a": 1},
    }
    assert _impersonal(workflow, said, Traces()) == {"rooms": 4, "amount": 12500.5, "bought": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    "text",
    [
        "ring ९८१२३ ४५६७८", "＋９１ ９８１２３-４５６７８", "٩٨١٢٣٤٥٦٧٨", "98\u200b123\u00ad45678", "Jose\u0301 Rao was out",
        "JOSÉ\u00a0\n RAO", "Ｊｏｓé Rao", "Jo\u200bsé Rao", "jose.rao＠example.com", "JOSE.RAO@EXAMPLE\u200b.COM",
    ],
)  # fmt: skip
def test_a_person_is_named_in_whatever_characters(text: str) -> None:
    traces = Traces(frozenset({"+919812345678", "jose.rao@example.com"}), frozenset({"José  Rao"}))
    assert traces.named_in(text, exactly=True)
    assert not traces.named_in("José rang ९८१२३ on Raoul's phone", exactly=True)


@pytest.mark.parametrize(
    "text",
    [
        "jose@bücher.example", "JOSE@BÜCHER.example", "jose@bu\u0308cher\u3002example", "jose@xn--bcher-kva.example",
        "https://x.example/?mail=jose%40b%C3%BCcher.example&x=1", "jose%40XN--BCHER-KVA.example", "%2B91%2098123%2045678",
    ],
)  # fmt: skip
def test_a_mail_address_is_found_as_people_and_as_servers_write_its_domain(text: str) -> None:
    traces = Traces(frozenset({"jose@xn--bcher-kva.example", "+919812345678", "a@xn--99999999999.example"}))
    assert traces.named_in({"note": [text]}, exactly=True)
    assert not traces.named_in("jose@bucher.example, 100%40", exactly=True)


def test_what_one_channel_alone_calls_a_person_leads_to_them_and_is_theirs_in_texts() -> None:
    asha = Person(name="Asha", phone="+919812345678", addresses={"chat": ("Asha_01",)})
    other = Person(name="Ravi", addresses={"pager": ("Asha_01",)})
    told = [SentTo("n1", "customer", 0, "chat:asha_01", "Asha"), SentTo("n1", "customer", 1, "pager:asha_01", "Ravi")]
    reach = traces_of(order(recipients={"customer": (asha, other)}), told, ["chat:asha_01"])
    assert reach == Traces(frozenset({"+919812345678", "chat:asha_01"}), frozenset({"Asha"}))
    traces = Traces(frozenset({"chat:asha_01"}))
    assert traces.named_in("wrote to @ASHA_01 today")
    assert not traces.named_in("wrote to basha_012 today")
    assert not Traces(frozenset({"chat:7"})).named_in("7 parcels")

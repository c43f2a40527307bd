"""Decoding: what publishers may send, and in what words a mistake is answered."""

import base64
import copy
import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.control_characters import one_line
from service.domain.errors import Rejection
from service.domain.event_decoding import decode
from service.domain.events import MAX_BODY_BYTES, StatusChangedData
from service.intake.decoding import Incoming, read
from tests.support.events import CUSTOMER, VENDOR, encoded, event
from tests.support.examples import examples


def changed(**changes: Any) -> bytes:
    e = copy.deepcopy(event("ORD-1", "created", recipients={"customer": CUSTOMER}, assignee=VENDOR))
    for path, value in changes.items():
        target = e
        *parents, last = path.split("__")
        for step in parents:
            target = target[step]
        target[last] = value
    return encoded(e)


@pytest.mark.parametrize(
    ("once", "twice", "said"),
    [
        ('"status":"created"', '"status":"created","status":"assigned"', "status: comes twice"),
        ('"id":', '"id":"another","id":', "id: comes twice"),
        ('"data":', '"data":{},"data":', "data: comes twice"),
        ('"workflow":', '"attributes":{"+919812345678":1,"+919812345678":2},"workflow":', "a field: comes twice"),
        ('"workflow":', '"attributes":{"n":[{"a":1,"a":1.0}]},"workflow":', "a: comes twice"),
    ],
)
def test_a_key_that_says_two_things_is_refused(once: str, twice: str, said: str) -> None:
    body = changed().decode()
    assert once in body
    with pytest.raises(Rejection, match=said) as refused:
        decode(body.replace(once, twice, 1).encode())
    assert "98123" not in refused.value.reason


def test_a_key_that_says_the_same_twice_says_it_once() -> None:
    body = changed().decode().replace('"status":"created"', '"status":"created","status":"created"', 1)
    assert decode(body.encode()).data.status == "created"  # type: ignore[union-attr]


def test_a_key_that_says_two_things_is_refused_in_base64() -> None:
    e = event("O-1", "created")
    data = json.dumps(e.pop("data")).replace('"status"', '"status": "assigned", "status"')
    with pytest.raises(Rejection, match="status: comes twice"):
        decode(encoded({**e, "data_base64": base64.b64encode(data.encode()).decode()}))


def test_the_contracts_example_decodes() -> None:
    body = b"""{"specversion": "1.0", "id": "3f0c", "source": "/admin-panel", "type": "order.status_changed",
     "subject": "ORD-1001", "time": "2026-11-23T10:00:00Z", "datacontenttype": "application/json",
     "data": {"workflow": "device_pickup", "status": "vendor_en_route",
              "actor": {"id": "u-7", "name": "Ravi"}, "note": {"text": "x", "public": false},
              "recipients": {"customer": {"name": "Asha", "phone": "+919812345678", "whatsapp": "+919812345678",
                             "email": "asha@example.com", "push_tokens": ["t"], "locale": "en-IN",
                             "timezone": "Asia/Kolkata"}},
              "assignee": {"role": "vendor", "id": "v-9", "name": "Ravi", "phone": "+919800000000"},
              "eta": "2026-11-23T10:25:00Z", "appointment": {"start": "2026-11-23T10:25:00Z", "end": null},
              "price": {"amount": "12500.00", "currency": "INR"}, "payment": {"verified": false},
              "secrets": {"otp": {"value": "481920", "expires": "2026-11-23T10:10:00Z"}},
              "attributes": {"anything": "the templates use"}}}"""
    e = decode(body)
    assert isinstance(e.data, StatusChangedData)
    assert e.time == datetime(2026, 11, 23, 10, tzinfo=UTC)
    assert e.data.secrets["otp"].value == "481920"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (changed(data__status=5), "data.status: Expected `str`, got `int`"),
        (changed(data__recipients__customer__phone=98), "data.recipients[...].phone: Expected `str | null`, got `int`"),
        (changed(data__eta="soon"), "data.eta: Invalid RFC3339 encoded datetime"),
        (changed(data__eta="2026-03-02T10:00:00"), "data.eta: Expected `datetime` with a timezone component"),
        (changed(data__price={"amount": 12500, "currency": "INR"}), "data.price.amount: Expected `str`, got `int`"),
        (changed(data__price={"amount": "NaN", "currency": "INR"}), "data.price.amount: Expected `str` matching regex"),
        (changed(type="order.exploded"), "type: Invalid enum value 'order.exploded'; expected one of order.status"),
        (changed(specversion="0.3"), "specversion: Invalid enum value '0.3'"),
        (changed(subject=""), "subject: Expected `str` of length >= 1"),
        (changed(subject="A\r\nB"), "subject: control characters"),
        (changed(time="9999-12-31T23:59:59Z"), "time: 9999-12-31T23:59:59+00:00 is not between 1990 and 2200"),
        (changed(data=[]), "data: Expected `object`, got `array`"),
        (b"{}", "Object missing required field `specversion`"),
        (b"\xff\xfe", "not readable as JSON"),
        (b"[" * 100_000, "Expected `object`, got `array`"),
        (b'{"a":' * 20_000, "not readable as JSON"),
        (b"x" * (MAX_BODY_BYTES + 1), "at most 262144 are taken"),
    ],
)  # fmt: skip
def test_a_mistake_names_its_field_what_came_and_what_was_expected(body: bytes, words: str) -> None:
    with pytest.raises(Rejection) as caught:
        decode(body)
    assert words in caught.value.reason


def test_missing_field_of_the_data_says_data() -> None:
    e = event("ORD-1", "created")
    del e["data"]["workflow"]
    with pytest.raises(Rejection, match=r"^data: Object missing required field `workflow`"):
        decode(encoded(e))


@pytest.mark.parametrize("prefix", ["cloudEvents:", "cloudEvents_", "ce-"])
def test_binary_mode(prefix: str) -> None:
    e = event("ORD-1", "created")
    headers = {f"{prefix}{k}": v for k, v in e.items() if k not in ("data", "datacontenttype")}
    found = read(Incoming(json.dumps(e["data"]).encode(), "application/json", headers=headers))
    assert found == decode(encoded(e))


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "image/png", "application/avro"])
def test_other_content_types_are_refused_in_words(content_type: str) -> None:
    with pytest.raises(Rejection, match="content type"):
        read(Incoming(encoded(event("ORD-1", "created")), content_type))


def test_traceparent_comes_from_the_event_or_the_header() -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    inside = event("ORD-1", "created", envelope={"traceparent": parent})
    assert read(Incoming(encoded(inside))).traceparent == parent
    assert read(Incoming(encoded(event("ORD-1", "created")), headers={"traceparent": parent})).traceparent == parent


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda v: st.lists(v) | st.dictionaries(st.text(), v),
)
FIELDS = ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "traceparent", "data"]
DATA_FIELDS = [
    "workflow", "status", "actor", "note", "recipients", "assignee", "eta", "appointment", "price", "payment",
    "secrets", "attributes", "issue",
]  # fmt: skip


@settings(max_examples=examples(1500), deadline=None)
@given(st.binary() | st.text().map(str.encode))
def test_bytes_never_do_more_than_be_refused(body: bytes) -> None:
    with pytest.raises(Rejection):
        read(Incoming(body))


@settings(max_examples=examples(1500), deadline=None)
@given(st.sampled_from(FIELDS), st.sampled_from(DATA_FIELDS), json_values, st.booleans())
def test_any_value_in_any_field_is_taken_or_refused(field: str, inner: str, value: Any, outer: bool) -> None:
    e = event("ORD-1", "created", recipients={"customer": CUSTOMER})
    if outer:
        e[field] = value
    else:
        e["data"][inner] = value
    body = json.dumps(e).encode()
    try:
        decoded = read(Incoming(body))
    except Rejection as rejection:
        assert rejection.reason
    else:
        msgspec.json.encode(decoded.data)


@given(st.text())
def test_clean_leaves_one_line(text: str) -> None:
    assert not set(one_line(text)) & set("\r\n\x0b\x0c\x00\x85\u2028\u2029")


@pytest.mark.parametrize(("audiences", "taken"), [([100], True), ([101], False), ([60, 41], False), ([60, 40], True)])
def test_an_event_names_at_most_100_people(audiences: list[int], taken: bool) -> None:
    people = {f"audience{n}": [{"name": "x"}] * size for n, size in enumerate(audiences)}
    body = msgspec.json.encode(event("O-1", "created", recipients=people))
    if taken:
        decode(body)
        return
    with pytest.raises(Rejection, match=r"data.recipients: names 101 people; at most 100 are taken"):
        decode(body)

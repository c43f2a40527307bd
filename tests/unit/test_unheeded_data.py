"""Nothing that an event says is taken and then ignored without a word to its publisher."""

from typing import Any

import pytest

from service.canonical import canonical_event
from service.domain.event_decoding import decode
from service.domain.events import Event
from service.domain.unheeded_people import unheeded
from service.known_codes import unknown_codes
from tests.support.events import CUSTOMER, NOON, VENDOR, encoded, event
from tests.support.packs import all_packs, device_pickup

PICKUP = device_pickup().workflow


def read(**data: Any) -> Event:
    return decode(encoded(event("O-1", "created", **data)))


@pytest.mark.parametrize(
    ("data", "field", "hint"),
    [
        ({"statsu": "x"}, "data.statsu", "did you mean 'status'"),
        ({"recipients": {"customer": {"phnoe": "1"}}}, "data.recipients.customer.phnoe", "did you mean 'phone'"),
        ({"recipients": {"customer": [{}, {"emial": 1}]}}, "data.recipients.customer[1].emial", "'email'"),
        ({"assignee": {**VENDOR, "company": "x"}}, "data.assignee.company", "not known here"),
        ({"note": {"text": "x", "pubic": True}}, "data.note.pubic", "'public'"),
        ({"secrets": {"otp": {"value": "1", "expiry": 1}}}, "data.secrets.otp.expiry", "'expires'"),
        ({"+919812345678": 1}, "data[...]", "not known here"),
    ],
)
def test_a_field_that_nobody_reads_is_told(data: dict[str, Any], field: str, hint: str) -> None:
    (warning,) = read(**data).warnings
    assert warning.field == field
    assert hint in warning.problem


def test_what_stands_beside_the_data_is_told() -> None:
    sent = event("O-1", "created", note={"text": "x"})
    beside = {"eta": "2026-12-27T10:00:00Z", "recipients": {"customer": {}}, "note": "y", "partitionkey": "O-1"}
    assert [w.field for w in decode(encoded({**sent, **beside})).warnings] == ["recipients", "eta"]


def test_what_is_known_is_not_told() -> None:
    data: dict[str, Any] = {
        "recipients": {"customer": CUSTOMER},
        "assignee": VENDOR,
        "attributes": {"any": {"thing": 1}},
    }
    assert read(**data).warnings == ()
    data["recipients"]["auditor"] = {"email": "audit@example.com"}
    assert not [*unheeded(read(**data).data, PICKUP, None, NOON)]


@pytest.mark.parametrize(
    ("recipients", "field", "hint"),
    [
        ({"custommer": CUSTOMER}, "data.recipients.custommer", "did you mean 'customer'"),
        ({"customer": {**CUSTOMER, "channels": ["smss"]}}, "data.recipients.customer.channels", "'sms'"),
        (
            {"customer": {**CUSTOMER, "muted": ["vendor_asigned"]}},
            "data.recipients.customer.muted",
            "'vendor_assigned'",
        ),
    ],
)
def test_a_wish_that_cannot_be_heeded_is_told(recipients: dict[str, Any], field: str, hint: str) -> None:
    (warning,) = unheeded(read(recipients=recipients).data, PICKUP, None, NOON)
    assert warning.field == field
    assert hint in warning.problem
    assert "98123" not in f"{warning}"


@pytest.mark.parametrize(
    ("zone", "kept"), [("asia/kolkata", "Asia/Kolkata"), (" Europe/Berlin ", "Europe/Berlin"), ("Mars/Olympus", None)]
)
def test_a_time_zone_that_there_is_not_is_told_and_the_packs_own_counts(zone: str, kept: str | None) -> None:
    """In UTC, which it once was read as, quiet hours end at half past one at night in India."""
    seen = canonical_event(read(recipients={"customer": {"timezone": zone, "channels": ["SMS "]}}), "IN", None)
    person = seen.data.recipients["customer"]  # type: ignore[index]
    assert (person.timezone, person.channels) == (kept, ("sms",))  # type: ignore[union-attr]
    assert [w.field for w in seen.warnings] == ([] if kept else ["data.recipients.customer.timezone"])


HOME = all_packs().get("home_service").workflow


@pytest.mark.parametrize(
    ("data", "field", "hint"),
    [
        ({"secrets": {"opt": {"value": "481920"}}}, "data.secrets.opt", "did you mean 'otp'"),
        ({"secrets": {"otp": {"value": "1", "expires": f"{NOON:%FT%TZ}"}}}, "data.secrets.otp.expires", "is past"),
        ({"assignee": {"role": "vendro", "id": "v-1"}}, "data.assignee.role", "did you mean 'vendor'"),
        ({"attributes": {"comission_due": "2026-12-27"}}, "data.attributes.comission_due", "'commission_due'"),
        ({"attributes": {"Track": "fast"}}, "data.attributes[...]", "did you mean 'track'"),
        (
            {"appointment": {"start": "2026-12-01T10:00:00Z", "end": "2026-12-01T09:00:00Z"}},
            "data.appointment.end",
            "before its start",
        ),
        ({"recipients": {"customer": {"locale": "english!"}}}, "data.recipients.customer.locale", "en is used"),
    ],
)
def test_a_value_that_nothing_can_be_done_with_is_told(data: dict[str, Any], field: str, hint: str) -> None:
    (warning,) = unheeded(read(**data).data, PICKUP if "secrets" in data or "assignee" in data else HOME, None, NOON)
    assert warning.field == field
    assert hint in warning.problem


@pytest.mark.parametrize(
    "data",
    [
        {"attributes": {"tracks": "x", "track": "fast"}},
        {"attributes": {"colour": "red", "update_needed": "now"}},
        {"assignee": {"role": "technician", "id": "t-1"}},
        {"recipients": {"customer": {"locale": "de_DE.UTF-8"}}},
        {"recipients": {"customer": {"locale": "zh-Hans-CN"}}},
        {"appointment": {"start": "2026-12-01T10:00:00Z"}},
    ],
)
def test_a_publishers_own_words_are_no_slip(data: dict[str, Any]) -> None:
    assert not [*unheeded(read(**data).data, HOME, None, NOON)]


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"price": {"amount": "1", "currency": "INX"}}, "data.price.currency"),
        ({"attributes": {"quote": {"amount": "1", "currency": "EUX"}}}, "data.attributes.quote.currency"),
        ({"recipients": {"customer": {"locale": "xx-YY"}}}, "data.recipients.customer.locale"),
        ({"recipients": {"customer": [{"locale": "en"}, {"locale": "zz"}]}}, "data.recipients.customer.locale"),
        ({"assignee": {**VENDOR, "locale": "qq"}}, "data.assignee.locale"),
    ],
)
def test_a_code_that_no_list_has_is_told(data: dict[str, Any], field: str) -> None:
    assert [w.field for w in unknown_codes(read(**data).data)] == [field]


def test_codes_of_the_lists_are_no_slip() -> None:
    spellings = (
        "en",
        "hi-IN",
        "en_US.UTF-8",
        "EN-in",
        "zh-Hant-TW",
        "fil",
        "yue",
        "es-419",
        "he",
        "iw",
        "no",
        "sr-Latn",
    )
    people = [{"locale": locale} for locale in spellings]
    for currency in ("INR", "USD", "JPY", "BHD"):
        data = read(recipients={"customer": people}, price={"amount": "1", "currency": currency}).data
        assert [*unknown_codes(data)] == []

"""Where an address lies."""

import phonenumbers
import pytest

from service.dispatch.destinations import destination_of


def test_a_number_lies_where_its_calling_code_says() -> None:
    for region in phonenumbers.SUPPORTED_REGIONS:
        number = phonenumbers.example_number(region)
        assert number is not None
        e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        assert destination_of(e164) == f"+{number.country_code}", region


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("+5215512345678", "+52"), ("+80012345678", "+800"), ("+99912345678", ""), ("+", ""), ("+x", ""), ("+٩١98", ""),
        ("asha@Example.COM", "example.com"), ("https://u:p@push.example/x", ""), ("@example.com", ""), ("token", ""),
    ],
)  # fmt: skip
def test_anything_else_lies_where_it_says_or_nowhere(address: str, place: str) -> None:
    assert destination_of(address) == place

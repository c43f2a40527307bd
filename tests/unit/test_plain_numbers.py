"""Numbers of digits alone are read as the parser of phonenumbers reads them, or left to it."""

import random

import phonenumbers
import pytest
from phonenumbers import PhoneMetadata, PhoneNumberFormat

from service.phone_numbers import canonical_number
from service.plain_numbers import plain_number
from tests.support.examples import LONG

COUNTRIES = sorted(phonenumbers.SUPPORTED_REGIONS)
SEEDS = range(60) if LONG else range(3)


def written(some: random.Random) -> tuple[str, str | None]:
    """A number that there may be, or nearly: as it is written at home, abroad, or wrongly; and where it is read."""
    country = some.choice(COUNTRIES)
    known = PhoneMetadata.metadata_for_region(country, None)
    example = phonenumbers.example_number(country)
    assert known is not None
    end = "".join(some.choices("0123456789", k=some.randint(1, 4)))
    number = (str(example.national_number) if example else "123456789")[: -len(end)] + end
    code, prefix = known.country_code, known.national_prefix or ""
    forms = (
        f"+{code}{number}",
        prefix + number,
        number,
        f"+{code}{prefix}{number}",
        f"{code}{number}",
        f"00{code}{number}",
    )
    wild = some.choice(("+", "0", "1", "")) + "".join(some.choices("0123456789", k=some.randint(6, 13)))
    return some.choice((*forms, wild)), some.choice((country, country, some.choice(COUNTRIES), None))


@pytest.mark.parametrize("seed", SEEDS)
def test_it_is_what_the_parser_finds(seed: int) -> None:
    some, plain = random.Random(seed), 0
    for _ in range(500):
        digits, country = written(some)
        if found := plain_number(digits, country):
            number = phonenumbers.parse(digits, country)
            assert phonenumbers.is_possible_number(number), (digits, country)
            assert phonenumbers.format_number(number, PhoneNumberFormat.E164) == found, (digits, country)
            plain += 1
    assert plain > 50


@pytest.mark.parametrize(
    ("digits", "country", "found"),
    [
        ("0612345678", "FR", "+33612345678"), ("9812300000", "IN", "+919812300000"), ("+34610000001", None, "+34610000001"),
        ("5512345678", "MX", ""), ("0033612345678", "FR", ""), ("+330612345678", "FR", ""), ("61234", "FR", ""),
    ],
)  # fmt: skip
def test_what_is_not_plain_is_left_to_the_parser(digits: str, country: str | None, found: str) -> None:
    assert plain_number(digits, country) == found
    if found:
        assert canonical_number(digits, country) == found

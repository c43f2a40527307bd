"""Numbers and mail as people write them have one canonical form, and one key that joins a number's double forms."""

import itertools

import phonenumbers
import pytest
from phonenumbers import PhoneNumberFormat as Form
from phonenumbers import PhoneNumberType

from service.domain.address_keys import address_key, both_forms
from service.phone_numbers import canonical_number, country_of

ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
DEVANAGARI = str.maketrans("0123456789", "०१२३४५६७८९")
FULLWIDTH = str.maketrans("0123456789+()-", "０１２３４５６７８９＋（）－")
COUNTRIES = ["IN", "US", "GB", "DE", "FR", "ES", "IT", "PT", "BR", "MX", "AR", "CL", "CO", "PE", "UY", "EC", "NL", "BE", "AT", "CH", "SE", "NO", "DK", "FI", "IE", "PL", "CZ", "SK", "HU", "RO", "BG", "GR", "TR", "UA", "RU", "KZ", "IL", "AE", "SA", "EG", "MA", "NG", "KE", "ZA", "GH", "TZ", "PK", "BD", "LK", "NP", "TH", "VN", "MY", "SG", "ID", "PH", "JP", "KR", "CN", "HK", "TW", "AU", "NZ", "CA"]  # fmt: skip


def spelled(number: phonenumbers.PhoneNumber, country: str) -> list[tuple[str, str | None]]:
    """One number as people write it, each with the country that they leave out, if any."""
    e164 = phonenumbers.format_number(number, Form.E164)
    wide = phonenumbers.format_number(number, Form.INTERNATIONAL)
    national = phonenumbers.format_number(number, Form.NATIONAL)
    abroad: list[tuple[str, str | None]] = [
        (e164, None), (wide, None), (wide.replace(" ", "-"), None), (wide.replace(" ", "."), None),
        (wide.replace(" ", "\u00a0"), None), (f"  {e164}\n", None), (f"\u200e{wide}\u200b", None),
        (e164.translate(ARABIC), None), (wide.translate(DEVANAGARI), None), (wide.translate(FULLWIDTH), None),
        (f"00{e164[1:]}", "IN"), (f"tel:{e164}", None), (f"whatsapp:{e164}", None), (f"({e164[:3]}){e164[3:]}", None),
        (phonenumbers.format_number(number, Form.RFC3966), None), (e164.replace("+", "+ "), country),
    ]  # fmt: skip
    at_home: list[tuple[str, str | None]] = [
        (national, country), (national.replace(" ", ""), country), (f"{national}\r\n", country),
        (national.translate(ARABIC), country), (national.replace(" ", "\u2009"), country),
        (phonenumbers.format_out_of_country_calling_number(number, country), country),
    ]  # fmt: skip
    return abroad + at_home


def examples() -> list[tuple[phonenumbers.PhoneNumber, str]]:
    kinds = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE)
    found = [(phonenumbers.example_number_for_type(c, kind), c) for c in COUNTRIES for kind in kinds]
    return [(number, country) for number, country in found if number]


def test_every_spelling_of_numbers_of_sixty_countries_is_one_number() -> None:
    assert len(set(COUNTRIES)) >= 60
    seen = 0
    for number, country in examples():
        e164 = phonenumbers.format_number(number, Form.E164)
        for text, read_in in spelled(number, country):
            assert canonical_number(text, read_in) == e164, (text, read_in)
            seen += 1
    assert seen >= 2000


@pytest.mark.parametrize(
    ("text", "country", "canonical"),
    [
        ("+91 98123 45678", None, "+919812345678"),
        ("+91-98123-45678", None, "+919812345678"),
        ("00919812345678", None, "+919812345678"),
        ("00919812345678", "US", "+919812345678"),
        ("011919812345678", "IN", "+919812345678"),
        ("98123 45678", "IN", "+919812345678"),
        ("098123 45678", "IN", "+919812345678"),
        ("919812345678", "IN", "+919812345678"),
        ("+91 (0)98123 45678", None, "+919812345678"),
        ("https://wa.me/919812345678", None, "+919812345678"),
        ("tel:98123-45678;phone-context=+91", None, "+919812345678"),
        ("+44 (0)20 7946 0018", None, "+442079460018"),
        ("8 (912) 345-67-89", "RU", "+79123456789"),
        ("+39 06 698 12345", None, "+390669812345"),
        ("044 55 1234 5678", "MX", "+525512345678"),
        ("011 15-2345-6789", "AR", "+5491123456789"),
        ("+5215512345678", None, "+5215512345678"),
        ("1 55 1234 5678", "MX", "+5215512345678"),
        ("+1 555 000 0001", None, "+15550000001"),
        ("+ +919812345678", None, "+919812345678"),
        ("+00919812345678", None, "+919812345678"),
        ("+00 91 98123 45678", "GB", "+919812345678"),
        ("whatsapp:919812345678", None, "+919812345678"),
        ("whatsapp:919812345678", "GB", "+919812345678"),
        ("whatsapp:98123 45678", "IN", "+919812345678"),
        ("https://wa.me/919812345678?text=hi", None, "+919812345678"),
        ("https://api.whatsapp.com/send?phone=919812345678&text=hi", None, "+919812345678"),
        ("tel:+91-98123-45678;isub=12;x-a", None, "+919812345678"),
        ("tel:9812345678;phone-context=cedar.example", "IN", "+919812345678"),
        ("919812345678.0", "IN", "+919812345678"),
        ("9812345678.00", "IN", "+919812345678"),
        ("01 55 1234 5678", "MX", "+525512345678"),
        ("030 / 123456", "DE", "+4930123456"),
    ],
)
def test_usual_spellings(text: str, country: str | None, canonical: str) -> None:
    assert canonical_number(text, country) == canonical
    assert canonical_number(canonical) == canonical


@pytest.mark.parametrize(
    ("text", "country", "why"),
    [
        ("call me", "IN", "it has letters"),
        ("1-800-FLOWERS", "US", "it has letters"),
        ("+91 98123 45678 ext. 12", None, "it has an extension"),
        ("+919812345678;ext=5", None, "it has an extension"),
        ("+91 12345", None, "too few digits"),
        ("+91 98123 45678 12345", None, "too many digits"),
        ("+919812345678 / +919812345679", None, "does not read as one"),
        ("98123 45678", None, "it names no country"),
        ("+999 1234567", None, "no country has its code"),
        ("9812345678/79", "IN", "it is two numbers in one"),
        ("98123 45678 / 9", "IN", "it is two numbers in one"),
        ("9.812345678E9", "IN", "it has letters"),
        ("+", "IN", "does not read as one"),
        ("-", None, "does not read as one"),
        ("12", "IN", "it"),
        ("+" + "9" * 400, None, "it"),
    ],
)
def test_what_can_be_no_number_says_why_without_saying_the_number(text: str, country: str | None, why: str) -> None:
    with pytest.raises(ValueError, match=why) as refused:
        canonical_number(text, country)
    assert not any(c.isdigit() for c in str(refused.value))


@pytest.mark.parametrize(
    "forms",
    [
        ("+5215512345678", "+525512345678"),
        ("+5491123456789", "+541123456789"),
        ("+551187654321", "+5511987654321"),
        ("Asha@Example.com", "asha@example.com"),
    ],
)
def test_double_forms_are_one_reader(forms: tuple[str, str]) -> None:
    assert len({address_key(f) for f in forms}) == 1
    for form in forms:
        assert {f.lower() for f in forms} <= {*both_forms(form), address_key(form)}


def test_numbers_that_only_look_alike_stay_two() -> None:
    others = ["+525512345678", "+525512345679", "+5511332145678", "+551133214567", "+541123456789", "+5411234567891"]
    assert all(address_key(a) != address_key(b) for a, b in itertools.combinations(others, 2))
    assert address_key("+551132145678") == "+551132145678", "a fixed line of São Paulo has eight digits"


def test_countries_are_named_as_people_name_them() -> None:
    assert [country_of(c) for c in ("in", "GB ", "UK", "", None, "XX", "IND")] == [
        "IN",
        "GB",
        "GB",
        None,
        None,
        None,
        None,
    ]

"""Which values of an attribute are equal for somebody who lists orders by it."""

from typing import Any

import pytest
from msgspec import structs

from service.domain.attribute_keys import filterable, keys_of, sought
from service.domain.attributes import Attribute, AttributeType, checked
from service.domain.errors import Rejection
from tests.support.packs import all_packs

ZONE = "Europe/Paris"
MARKETING = all_packs().get("marketing_services").workflow

FOUND: list[tuple[AttributeType, Any, str]] = [
    ("text", "Spring  Sale", " spring sale"),
    ("text", "STRASSE", "Straße"),
    ("text", "Caf\u00e9", "cafe\u0301"),
    ("number", 5, "5.0"),
    ("number", 5.0, "5"),
    ("number", "12.50", "12.5"),
    ("number", 123456789012345678901234567890, "123456789012345678901234567890"),
    ("number", 0, "-0.0"),
    ("boolean", True, "TRUE"),
    ("money", {"amount": "12.50", "currency": "EUR"}, "12.5 eur"),
    ("date", "2026-12-27", "20261227"),
    ("date", "2026-12-27T23:30:00Z", "2026-12-28"),
    ("datetime", "2026-12-27T10:00:00+01:00", "2026-12-27T09:00:00Z"),
    ("datetime", "2026-12-27T10:00:00+01:00", "2026-12-27T10:00:00 01:00"),
    ("datetime", "2026-12-27T10:00:00", "2026-12-27T10:00+01:00"),
    ("any", 5, "5.0"),
    ("any", "Spring", "SPRING"),
    ("any", True, "true"),
]
OTHERS: list[tuple[AttributeType, Any, str]] = [
    ("text", "Spring", "Sprin"),
    ("text", "5", "5.0"),
    ("number", 5, "50"),
    ("money", {"amount": "12.50", "currency": "EUR"}, "12.50 USD"),
    ("date", "2026-12-27", "2026-12-28"),
    ("date", "2026-12-27", "2026-12-27T00:00:00+01:00"),
    ("any", {"a": 1}, "a"),
]


def finds(kind: AttributeType, said: Any, asked: str) -> bool:
    w = structs.replace(MARKETING, attributes={"x": Attribute("x", kind)}, shows=("x",), timezone=ZONE)
    kept = checked({"x": said}, w.attributes, ZONE)
    return ("x", sought(w.attributes["x"], asked, ZONE)) in keys_of(w, kept)


@pytest.mark.parametrize(("kind", "said", "asked"), FOUND)
def test_equal_values_are_found_however_they_are_written(kind: AttributeType, said: Any, asked: str) -> None:
    assert finds(kind, said, asked)


@pytest.mark.parametrize(("kind", "said", "asked"), OTHERS)
def test_other_values_are_not(kind: AttributeType, said: Any, asked: str) -> None:
    assert not finds(kind, said, asked)


@pytest.mark.parametrize(
    ("kind", "asked", "words"),
    [("number", "many", "a number"), ("boolean", "yes", "true or false"), ("date", "soon", "a day such as"),
     ("money", "12", "12.50 EUR"), ("datetime", "2026-13-01", "ISO 8601")],
)  # fmt: skip
def test_what_no_value_can_be_is_refused(kind: AttributeType, asked: str, words: str) -> None:
    with pytest.raises(Rejection, match=words):
        sought(Attribute("x", kind), asked, ZONE)


def test_nothing_personal_no_list_and_nothing_that_is_not_shown_has_a_key() -> None:
    assert set(filterable(MARKETING)) == {"activity_type", "campaign"}
    careless = structs.replace(MARKETING, shows=("campaign", "participants", "leads", "gone"))
    said = {"campaign": "Spring", "participants": ["Asha"], "leads": ["Ravi"], "gone": 1, "activity_type": "seo"}
    assert keys_of(careless, said) == {("campaign", "spring")}
    assert keys_of(MARKETING, {"campaign": 5, "activity_type": None}) == set(), "kept before it was declared a text"

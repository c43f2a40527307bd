"""Schemas of types: a tuple says the same as msgspec's own, and by a schema."""

import msgspec
from jsonschema import Draft202012Validator
from msgspec import Struct

from service.web.type_schemas import schemas_of


class Told(Struct):
    alike: tuple[str, str] | None = None
    others: tuple[int, str] | None = None
    many: tuple[int, ...] = ()
    nothing: tuple[()] = ()
    within: list[dict[str, tuple[bool, bool]]] = []


SCHEMAS = schemas_of([Told], "#/$defs/{name}")


def test_every_array_has_a_schema_of_what_it_holds() -> None:
    said = msgspec.json.encode(SCHEMAS)
    assert b'"items":false' not in said
    assert SCHEMAS["Told"]["properties"]["alike"]["anyOf"][0] == {
        "type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "string"},
    }  # fmt: skip


def test_they_take_what_the_types_take() -> None:
    values: list[dict[str, object]] = [
        {"alike": ["a", "b"]}, {"alike": ["a"]}, {"alike": ["a", "b", "c"]}, {"alike": ["a", 1]}, {"alike": None},
        {"others": [1, "b"]}, {"others": ["b", 1]}, {"others": [1, "b", 2]}, {"many": [1, 2, 3]}, {"many": ["a"]},
        {"nothing": []}, {"nothing": [1]}, {"within": [{"a": [True, False]}]}, {"within": [{"a": [True]}]},
    ]  # fmt: skip
    validator = Draft202012Validator({"$ref": "#/$defs/Told", "$defs": SCHEMAS})
    assert [v for v in values if validator.is_valid(v)] == [v for v in values if _taken(v)]
    assert len([v for v in values if _taken(v)]) == 6


def _taken(value: dict[str, object]) -> bool:
    try:
        msgspec.convert(value, Told)
    except msgspec.ValidationError:
        return False
    return True

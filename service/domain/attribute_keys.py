"""Keys of attribute values, equal for equal values, by which lists of orders are filtered. Pure.

Texts are equal whatever their case, spaces and Unicode form (NFKC); numbers by value, such as 5 and
5.0; a moment stands under itself and under its day in the pack's zone. Lists have no key.
"""

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from service.domain.attributes import Attribute, checked
from service.domain.calendars import zone_of
from service.domain.errors import Rejection
from service.domain.workflow import Workflow

_AMOUNT: Final = re.compile(r"(-?\d{1,30}(?:\.\d{1,30})?)\s*([A-Za-z]{3})")
_WHOLE: Final = re.compile(r"-?\d{1,30}")
_NUMBER: Final = re.compile(r"-?\d{1,30}\.\d{1,30}")
# The plus sign of an offset, of which query-string decoding makes a blank.
_LOST_PLUS: Final = re.compile(r"(T.*) (\d\d:?\d\d)$")


def filterable(workflow: Workflow) -> dict[str, Attribute]:
    """The attributes by which orders can be filtered: those that the pack shows, except lists and personal ones."""
    known = {name: workflow.attributes[name] for name in workflow.shows if name in workflow.attributes}
    return {name: a for name, a in known.items() if a.type != "list" and not a.personal}


def keys_of(workflow: Workflow, kept: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    """Name and key of each attribute by which the order is indexed."""
    return frozenset(
        (name, key)
        for name, a in filterable(workflow).items()
        if kept.get(name) is not None
        for key in _kept_keys(a, kept[name], workflow.timezone)
    )


def _kept_keys(attribute: Attribute, kept: Any, timezone: str) -> set[str]:
    try:
        value = checked({attribute.name: kept}, {attribute.name: attribute}, timezone)[attribute.name]
    except Rejection:
        # Stored before the pack declared its type.
        return set()
    if attribute.type in ("date", "datetime"):
        return {value, day} if (day := _day_of(value, timezone)) else {value}
    return {key} if (key := key_of(value)) else set()


def sought(attribute: Attribute, text: str, timezone: str) -> str:
    """The key of a filter's value; raises Rejection for what no value of this type can be."""
    name, given = attribute.name, text.strip()
    value: Any = given
    match attribute.type:
        case "money":
            if (found := _AMOUNT.fullmatch(given)) is None:
                raise Rejection(f"attributes.{name}: an amount and a currency such as 12.50 EUR is expected")
            value = {"amount": found[1], "currency": found[2].upper()}
        case "any":
            # The stored value may be a number: a text that reads as one finds it.
            value = int(given) if _WHOLE.fullmatch(given) else float(given) if _NUMBER.fullmatch(given) else given
        case "date" | "datetime":
            value = _LOST_PLUS.sub(r"\1+\2", given)
        case _:
            pass
    value = checked({name: value}, {name: attribute}, timezone, "attributes")[name]
    return value if attribute.type in ("date", "datetime") else key_of(value)


def _day_of(kept: str, timezone: str) -> str:
    """The day, in the pack's zone, of a moment; "" of what is a day already."""
    if "T" not in kept:
        return ""
    return datetime.fromisoformat(kept).astimezone(zone_of(timezone)).date().isoformat()


def key_of(value: Any) -> str:
    """The value's key; empty for a value that has none, such as an object."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return _plain_number(str(value))
        case str():
            return " ".join(unicodedata.normalize("NFKC", value).casefold().split())
        case {"amount": str(amount), "currency": str(currency)} if _AMOUNT.fullmatch(f"{amount} {currency}"):
            return f"{_plain_number(amount)} {currency}"
        case _:
            return ""


def _plain_number(text: str) -> str:
    plain = format(Decimal(text), "f")
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    return "0" if plain in ("-0", "") else plain

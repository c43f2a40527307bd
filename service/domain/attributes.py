"""Attributes as their pack declares them: checked when an event brings them, and converted for use. Pure.

They are stored as plain JSON: number, boolean, list, text; a day as `2026-12-27`, a moment as ISO 8601 in UTC.
A time without an offset is in the pack's zone. A day means its end for a deadline, and its start for a reminder.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal

from msgspec import Struct

from service.domain.calendars import local_instant, zone_of
from service.domain.errors import Rejection
from service.domain.events import EARLIEST, LATEST
from service.domain.json_object import JsonObject

AttributeType = Literal["text", "number", "money", "boolean", "date", "datetime", "list", "any"]

_SANE: Final = f"between {EARLIEST:%Y} and {LATEST:%Y}"
WORDS: Final[Mapping[AttributeType, str]] = {
    "text": "a text",
    "number": "a number, or one as a text such as 12.50",
    "money": "an amount and a currency, such as {amount: 12.50, currency: EUR}",
    "boolean": "true or false",
    "date": f"a day such as 2026-12-27, or a moment in ISO 8601, {_SANE}",
    "datetime": f"a moment in ISO 8601 such as 2026-12-27T10:00:00+01:00, or a day, {_SANE}",
    "list": "a list",
    "any": "anything",
}
LAST_SECOND: Final = time(23, 59, 59)
_DAY = re.compile(r"^\d{4}-\d{2}-\d{2}$")
# A week alone is no day, though `date.fromisoformat` reads its Monday.
_WEEK = re.compile(r"^\d{4}-?W\d{2}($|T)")
# Between a day and a time stands T or a blank; `datetime.fromisoformat` takes any letter, and so would read the offset
# of a day as its time: 2026-12-27+02:00, as XML Schema writes days (part 2, §3.3.9), as two in the morning.
_TIME = re.compile(r"^[\dW-]+[T ]\d")
# ISO 8601's end of a day; `datetime.fromisoformat` reads it from Python 3.14 on alone.
_MIDNIGHT = re.compile(r"[T ]24:?00(:?00(\.0+)?)?(?=$|Z|[+-])")
_NUMBER = re.compile(r"^-?\d{1,30}(\.\d{1,30})?$")
_CURRENCY = re.compile(r"^[A-Z]{3}$")


class Attribute(Struct, frozen=True):
    """An attribute as a pack declares it: its type, its titles, and whether it is personal data.

    `choices`: usual values, each with its titles; forms offer them, and templates show the titles.
    """

    name: str
    type: AttributeType
    titles: Mapping[str, str] = {}
    personal: bool = False
    choices: Mapping[str, Mapping[str, str]] = {}


def checked(
    given: Mapping[str, Any], declared: Mapping[str, Attribute], timezone: str, where: str = "data.attributes"
) -> JsonObject:
    """The attributes in stored form; raises Rejection naming the first of another type.

    Undeclared attributes stay as they are; so does `null`, which clears.
    """
    kept = dict(given)
    for name in declared.keys() & given.keys():
        if given[name] is None:
            continue
        kind = declared[name].type
        value = _as(kind, given[name], timezone)
        if value is None:
            raise Rejection(f"{where}.{name}: {WORDS[kind]} is expected")
        kept[name] = value
    return kept


def _as(kind: AttributeType, value: Any, timezone: str) -> Any:
    """`value` in stored form; None when it is not of this type."""
    match kind:
        case "any":
            return value
        case "text":
            return value if isinstance(value, str) else None
        case "boolean":
            return _truth(value)
        case "number":
            return _number(value)
        case "money":
            return _money(value)
        case "list":
            return value if isinstance(value, list) else None
        case "date" | "datetime":
            return _moment(value, timezone)


def _truth(value: Any) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return value if isinstance(value, bool) else None


def _number(value: Any) -> int | float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        text = value.strip()
        if not _NUMBER.match(text):
            return None
        return float(text) if "." in text else int(text)
    return value if isinstance(value, (int, float)) else None


def _money(value: Any) -> dict[str, str] | None:
    if not isinstance(value, Mapping) or not _CURRENCY.match(str(value.get("currency", ""))):
        return None
    amount = str(value.get("amount", "")).strip()
    return {"amount": amount, "currency": str(value["currency"])} if _NUMBER.match(amount) else None


def _moment(value: Any, timezone: str) -> str | None:
    if not isinstance(value, str):
        return None
    text = value.strip().upper()
    if _WEEK.match(text):
        return None
    text, days = _MIDNIGHT.subn("T00:00", text)
    try:
        # ISO 8601's other notations of a day count, too: 20261227, 2026-W52-7.
        if ":" not in text and "T" not in text and " " not in text:
            day = date.fromisoformat(text)
            return day.isoformat() if EARLIEST.date() <= day < LATEST.date() else None
        if not _TIME.match(text):
            return None
        moment = datetime.fromisoformat(text) + timedelta(days=days)
        known = moment if moment.tzinfo else moment.replace(tzinfo=zone_of(timezone))
        utc = known.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return utc.isoformat() if EARLIEST <= utc <= LATEST else None


def moment_of(value: Any, timezone: str, *, start_of_day: bool = False) -> datetime | None:
    """A stored date as a UTC moment: a day means its end, or its start with `start_of_day`."""
    if isinstance(value, str):
        try:
            if _DAY.match(value):
                return local_instant(date.fromisoformat(value), time() if start_of_day else LAST_SECOND, timezone)
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=zone_of(timezone)).astimezone(UTC)


def values(kept: Mapping[str, Any], declared: Mapping[str, Attribute]) -> JsonObject:
    """The attributes for templates: dates and moments as objects, numbers exact."""
    return {name: _value(declared[name].type, v) if name in declared else v for name, v in kept.items()}


def _value(kind: AttributeType, value: Any) -> Any:
    try:
        if kind in ("date", "datetime") and isinstance(value, str):
            return date.fromisoformat(value) if _DAY.match(value) else datetime.fromisoformat(value)
        if kind == "number" and isinstance(value, (int, float)):
            return Decimal(str(value))
    except (ValueError, InvalidOperation):
        # Kept before the pack said what it is.
        return value
    return value

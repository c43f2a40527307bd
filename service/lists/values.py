"""Converts cells to their column's type as plain JSON; what cannot be converted is reported in words.

Error texts never contain the value, as it may be somebody's phone number.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from math import isfinite
from typing import Any, Final

from msgspec import Struct

from service.domain.events import EARLIEST, LATEST
from service.domain.lists import Column, ColumnType
from service.mail_address import canonical_mail
from service.phone_numbers import canonical_number

MOST_LETTERS: Final = 2000
_NUMBER: Final = re.compile(r"-?\d{1,30}(\.\d{1,30})?")
_MONEY: Final = re.compile(r"(-?\d{1,15}(?:\.\d{1,4})?)\s*([A-Z]{3})")
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
# Line ends and tabs are allowed; other control characters (Unicode, category Cc), lone surrogates, and characters that
# XML and thus workbooks cannot contain (XML 1.0, §2.2) are not.
_NO_TEXT: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
# Spreadsheets and most JSON parsers lose further digits (RFC 8259, §6).
MOST_DIGITS: Final = 15
_TRUTHS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("true", "yes", "y", "1", "ja", "oui", "si", "sí", "sim"), True),
    **dict.fromkeys(("false", "no", "n", "0", "nein", "non", "não"), False),
}


class Unreadable(Struct, frozen=True):
    """In place of a value that could not be read. `problem`: why, without the value."""

    problem: str


def is_blank(raw: Any) -> bool:
    """Whether a cell is empty."""
    return not raw.strip() if isinstance(raw, str) else raw is None or raw in ((), [], {})


def value_of(column: Column, raw: Any, region: str) -> Any:
    """The value in canonical form, None for an empty cell; raises ValueError with a text that does not contain it.

    `region`: the country (ISO 3166) of phone numbers without country code.
    """
    if isinstance(raw, str):
        raw = raw.strip()
    if is_blank(raw):
        return None
    if isinstance(raw, Unreadable):
        raise ValueError(raw.problem)
    if column.type == "choice":
        return _choice(column, raw)
    if column.type == "phone":
        return canonical_number(_text(raw), region or None)
    return _READERS[column.type](raw)


def _text(raw: Any) -> str:
    text = raw if isinstance(raw, str) else _plain(raw)
    if len(text) > MOST_LETTERS:
        raise ValueError(f"has {len(text)} characters; at most {MOST_LETTERS} are allowed")
    if _NO_TEXT.search(text):
        raise ValueError("has control characters")
    return text


def _plain(raw: Any) -> str:
    """The text that a person would have typed for a number or date."""
    if isinstance(raw, bool):
        raise ValueError("is yes or no, not a text")
    if isinstance(raw, float) and raw.is_integer():
        # Spreadsheets store whole numbers as floats.
        raw = int(raw)
    if isinstance(raw, datetime):
        return raw.isoformat(" ", "auto") if raw.time() != time() else raw.date().isoformat()
    if isinstance(raw, date):
        return raw.isoformat()
    if isinstance(raw, time):
        return f"{raw:%H:%M:%S}" if raw.second else f"{raw:%H:%M}"
    if not isinstance(raw, (int, float, Decimal)):
        raise ValueError("is not a text")
    return str(raw)


def _number(raw: Any) -> int | float:
    if isinstance(raw, float) and isfinite(raw):
        number = int(raw) if raw.is_integer() else raw
    elif isinstance(raw, int) and not isinstance(raw, bool):
        number = raw
    else:
        text = raw if isinstance(raw, str) else ""
        if not _NUMBER.fullmatch(text):
            raise ValueError("is not a number, such as 12 or 12.50 (a point, no thousands separators)")
        number = float(text) if "." in text else int(text)
    if abs(number) >= 10**MOST_DIGITS:
        raise ValueError(f"is a number of more than {MOST_DIGITS} digits, of which the last would be lost")
    return number


def _money(raw: Any) -> dict[str, str]:
    if isinstance(raw, Mapping):
        raw = f"{raw.get('amount', '')} {raw.get('currency', '')}".strip()
    found = _MONEY.fullmatch(raw.upper()) if isinstance(raw, str) else None
    if found is None:
        raise ValueError("is not an amount with its currency, such as 12.50 EUR")
    return {"amount": found[1], "currency": found[2]}


def _date(raw: Any) -> str:
    if isinstance(raw, datetime):
        if raw.time() != time():
            raise ValueError("is a time of day; a day such as 2026-12-27 is expected")
        raw = raw.date()
    if isinstance(raw, str) and _DAY.fullmatch(raw):
        try:
            raw = date.fromisoformat(raw)
        except ValueError:
            raise ValueError("is not an existing day") from None
    if not isinstance(raw, date) or not EARLIEST.date() <= raw < LATEST.date():
        years = f"from {EARLIEST:%Y} to {LATEST:%Y}"
        raise ValueError(f"is not a day, such as 2026-12-27 (year, month, day), {years}")
    return raw.isoformat()


def _email(raw: Any) -> str:
    return canonical_mail(_text(raw))


def _truth(raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    text = _text(raw).casefold()
    if text not in _TRUTHS:
        raise ValueError("is neither yes nor no; write true or false, yes or no, 1 or 0")
    return _TRUTHS[text]


def _choice(column: Column, raw: Any) -> str:
    text = _text(raw).casefold()
    for choice in column.choices:
        if choice.casefold() == text:
            return choice
    raise ValueError(f"is none of {', '.join(column.choices)}")


_READERS: Final[Mapping[ColumnType, Callable[[Any], Any]]] = {
    "text": _text, "number": _number, "money": _money, "date": _date, "email": _email, "boolean": _truth,
}  # fmt: skip


def cell_of(value: Any) -> str | int | float | bool:
    """A value as a cell of a table."""
    if isinstance(value, Mapping):
        return f"{value.get('amount', '')} {value.get('currency', '')}"
    if value is None:
        return ""
    return value if isinstance(value, (str, int, float, bool)) else str(value)


def comparable(value: Any) -> str:
    """A text that is equal for values which a unique column considers the same: case and blanks are ignored."""
    return " ".join(str(cell_of(value)).casefold().split())

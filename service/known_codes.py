"""Languages and currencies that no list has: what an event says with them can be shown, but not as it was meant.

The lists are the Unicode CLDR's, by way of Babel: of ISO 639's languages those that have a name there, and all of
ISO 4217's currencies, past ones too.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from babel import Locale
from babel.numbers import list_currencies
from msgspec import UNSET

from service.domain.events import Data, EventWarning
from service.domain.languages import language_of
from service.domain.people import as_list
from service.domain.unknown_fields import step

_CODE: Final = re.compile("[a-z]{2,3}")
_CURRENCY: Final = re.compile("[A-Z]{3}")


@lru_cache(maxsize=1)
def _languages() -> frozenset[str]:
    named: Mapping[str, str] = Locale("en").languages
    return frozenset(named) | {"iw", "in", "ji", "jw", "mo", "tl", "sh", "no"}


@lru_cache(maxsize=1)
def _currencies() -> frozenset[str]:
    return frozenset(list_currencies())


def is_currency(code: object) -> bool:
    """Whether ISO 4217 has, or had, a currency of this code."""
    return isinstance(code, str) and code in _currencies()


def unknown_codes(data: Data) -> Iterator[EventWarning]:
    """A warning for each language and currency that there is not."""
    if data.price and data.price.currency not in _currencies():
        yield EventWarning("data.price.currency", _NO_CURRENCY)
    for name, value in (data.attributes or {}).items():
        if isinstance(value, Mapping) and _is_money(value) and value["currency"] not in _currencies():
            yield EventWarning(step("data.attributes", name) + ".currency", _NO_CURRENCY)
    for audience, people in ({} if data.recipients is UNSET else data.recipients).items():
        for person in as_list(people):
            yield from _language(person.locale, step("data.recipients", audience))
    if data.assignee:
        yield from _language(data.assignee.locale, "data.assignee")


_NO_CURRENCY: Final = "is no currency of ISO 4217; the amount is shown with these letters"


def _is_money(value: Mapping[str, Any]) -> bool:
    return "amount" in value and isinstance(c := value.get("currency"), str) and bool(_CURRENCY.fullmatch(c))


def _language(locale: object, where: str) -> Iterator[EventWarning]:
    """What has not even the form of a language is told with the pack's own (`domain.unheeded_people`)."""
    code = language_of(locale) if isinstance(locale, str) else ""
    if _CODE.fullmatch(code) and code not in _languages():
        yield EventWarning(f"{where}.locale", "is no language of ISO 639 that is known here; the pack's own is used")

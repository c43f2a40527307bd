"""Template filters that format numbers, money, times and counts for the reader's language and country.

Digits are ASCII in every language, like those of order numbers and codes.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, tzinfo
from decimal import Context as DecimalContext
from decimal import Decimal, localcontext
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime, format_skeleton, format_time
from babel.numbers import format_currency, format_decimal
from jinja2 import pass_context
from jinja2.exceptions import TemplateRuntimeError
from jinja2.runtime import Context
from markupsafe import Markup, escape

from service.domain.attribute_keys import key_of
from service.workflows import cldr

# The usual order of weekday, day and month, without punctuation.
DAY_FIRST: Final = "EEE d MMM"
_BY_SKELETON: Final = "MMMEd"
_ALL_INDIAN: Final = "INR"
# The most decimal places of a number (CLDR's pattern #,##0.###).
_PLACES: Final = 3
# Precision for the largest JSON number and its decimal places; Python's default of 28 raises an error.
_ALL_DIGITS: Final = DecimalContext(prec=400)
# English without a country is formatted internationally.
NO_COUNTRYS: Final = "en"


def _zone(context: Context) -> tzinfo:
    zone: tzinfo = context.get("zone") or ZoneInfo("UTC")
    return zone


def _writing(context: Context) -> Locale:
    return cldr.writing(context["locale"], context.get("region") or "")


@lru_cache(maxsize=256)
def _is_day_first(locale: Locale) -> bool:
    """Whether the language writes weekday, day and month in that order."""
    skeleton = locale.datetime_skeletons.get(_BY_SKELETON)
    if skeleton is None or str(locale) == NO_COUNTRYS:
        return True
    order = re.sub("[^EcdM]", "", re.sub("'[^']*'|L", lambda m: "M" if m[0] == "L" else "", skeleton.pattern))
    return re.fullmatch("[Ec]+d+M+", order) is not None


def day(value: date, locale: Locale) -> str:
    """A day without its year, such as `Mon 23 Nov`; in the language's own order."""
    if not _is_day_first(locale):
        return format_skeleton(_BY_SKELETON, value, locale=locale)
    is_moment = isinstance(value, datetime)
    return format_datetime(value, DAY_FIRST, locale=locale) if is_moment else format_date(value, DAY_FIRST, locale)


def clock(value: datetime, locale: Locale) -> str:
    """The time of day, in 12 or 24 hours."""
    return format_time(value, "short", locale=locale)


def moment(value: datetime, locale: Locale) -> str:
    """A day with its time."""
    together = str(locale.datetime_formats["medium"])
    return together.replace("{1}", day(value, locale)).replace("{0}", clock(value, locale))


@pass_context
def _time(context: Context, value: datetime) -> str:
    return clock(value.astimezone(_zone(context)), _writing(context))


@pass_context
def _date(context: Context, value: date) -> str:
    there = value.astimezone(_zone(context)) if isinstance(value, datetime) else value
    return day(there, _writing(context))


@pass_context
def _moment(context: Context, value: date) -> str:
    """A day with its time; only the day if there is no time."""
    if isinstance(value, datetime):
        return moment(value.astimezone(_zone(context)), _writing(context))
    return day(value, _writing(context))


@pass_context
def _number(context: Context, value: Decimal) -> str:
    return _written(value, _writing(context))


@pass_context
def _money(context: Context, value: Mapping[str, str]) -> str:
    amount, currency, locale = Decimal(value["amount"]), value["currency"], _writing(context)
    with localcontext(_ALL_DIGITS):
        return _of_currency(amount, currency, locale)


def _of_currency(amount: Decimal, currency: str, locale: Locale) -> str:
    if currency != _ALL_INDIAN or amount != amount.to_integral_value():
        return format_currency(amount, currency, locale=locale)
    # Whole rupees have no decimals, and in English without a country they are grouped in lakhs.
    pattern = locale.currency_formats["standard"].pattern.replace(".00", "")
    pattern = pattern.replace("#,##0", "#,##,##0") if str(locale) == NO_COUNTRYS else pattern
    return format_currency(amount, currency, format=pattern, locale=locale, currency_digits=False)


@pass_context
def _plural(context: Context, value: Any, **forms: str) -> str:
    """The text in the plural form for a number, such as `one="# parcel", other="# parcels"`; `#` is the number."""
    return _counted(context, value, forms, ordinal=False)


@pass_context
def _ordinal(context: Context, value: Any, **forms: str) -> str:
    """The text in the language's ordinal form for a number: `one="#st", two="#nd", few="#rd", other="#th"`."""
    return _counted(context, value, forms, ordinal=True)


def _counted(context: Context, value: Any, forms: Mapping[str, str], *, ordinal: bool) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise TypeError(f"a form for {type(value).__name__}, which is not a number")
    number = _as_written(value)
    locale = _writing(context)
    chosen = forms.get(cldr.rule(locale, ordinal=ordinal)(number)) or forms.get("other")
    if chosen is None:
        raise TemplateRuntimeError("its forms lack `other`")
    return str(chosen).replace("#", _written(number, locale))


def _as_written(value: float | Decimal) -> int | Decimal:
    """The number as displayed, which decides the plural form: 1 for 1.0 (UTS 35, part 3, §5.1.1)."""
    with localcontext(_ALL_DIGITS):
        number = round(Decimal(str(value)), _PLACES)
        return int(number) if number == number.to_integral_value() else number.normalize()


def _written(number: float | Decimal, locale: Locale) -> str:
    with localcontext(_ALL_DIGITS):
        return format_decimal(number, locale=locale)


def _choose(value: object, **forms: str) -> str:
    """The text for this value, such as a gender, ignoring case; `other` for an unlisted value or none."""
    chosen = {key_of(name): form for name, form in forms.items()}.get(key_of(value)) or forms.get("other")
    if chosen is None:
        raise TemplateRuntimeError("its forms lack `other`")
    return chosen


def _paragraphs(text: str) -> Markup:
    """Text with blank lines as HTML paragraphs."""
    parts = [p.strip() for p in re.split(r"\n\s*\n", str(escape(text)).strip()) if p.strip()]
    return Markup("").join(Markup("<p>{}</p>\n").format(Markup(p)) for p in parts)  # noqa: S704 - escaped above


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "time": _time,
    "date": _date,
    "moment": _moment,
    "money": _money,
    "number": _number,
    "plural": _plural,
    "ordinal": _ordinal,
    "choose": _choose,
    "paragraphs": _paragraphs,
}

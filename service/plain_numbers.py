"""Phone numbers of digits alone, as files and systems bring them, read by what phonenumbers knows of their country.

Its parser takes some 25 µs for any number; of nearly all, what it would find is plain from the country's code, the
prefix of calls within it, and how many digits numbers there have. What is not plain is left to the parser.
"""

import re
from functools import lru_cache
from typing import Final

import phonenumbers
from msgspec import Struct
from phonenumbers import PhoneMetadata

# Countries whose numbers have forms that come and go (Mexico, Argentina, Brazil): always parsed.
_CHANGING: Final = frozenset({52, 54, 55})
_LONGEST_CODE: Final = 3


class _Plan(Struct, frozen=True):
    """How numbers of a country are read. `prefix`: what stands before them in calls within it; `strips`: what may."""

    code: int
    prefix: str
    strips: re.Pattern[str] | None
    abroad: re.Pattern[str] | None
    numbers: re.Pattern[str]
    lengths: frozenset[int]


@lru_cache(maxsize=512)
def _plan(country: str) -> _Plan | None:
    """None where a country is not the main one of its code, or prefixes do more than stand before a number."""
    known = PhoneMetadata.metadata_for_region(country, None)
    if known is None or known.country_code is None or known.country_code in _CHANGING or known.general_desc is None:
        return None
    if phonenumbers.region_code_for_country_code(known.country_code) != country or known.national_prefix_transform_rule:
        return None
    pattern = known.general_desc.national_number_pattern
    is_simple = known.national_prefix_for_parsing in (None, known.national_prefix)
    return _Plan(
        known.country_code,
        (known.national_prefix or "") if is_simple else "",
        re.compile(known.national_prefix_for_parsing) if known.national_prefix_for_parsing else None,
        re.compile(known.international_prefix) if known.international_prefix else None,
        re.compile(pattern or "(?!)"),
        frozenset(known.general_desc.possible_length),
    )


def plain_number(digits: str, country: str | None) -> str:
    """The number in E.164; empty where it takes more to say which it is. `digits`: with a plus sign or without."""
    if digits[0] == "+":
        return digits if _is_whole(digits[1:]) else ""
    plan = _plan(country) if country else None
    if plan is None or (plan.strips and not plan.prefix):
        return ""
    number = digits.removeprefix(plan.prefix)
    if len(number) == len(digits) and plan.strips and plan.strips.match(digits):
        return ""
    if len(number) not in plan.lengths or number[0] == "0" or not plan.numbers.fullmatch(number):
        return ""
    if (plan.abroad and plan.abroad.match(digits)) or digits.startswith(str(plan.code)):
        return ""
    return f"+{plan.code}{number}"


def _is_whole(digits: str) -> bool:
    """Whether these are a country's code and a number of a length that it has, without a prefix in between."""
    for n in range(1, _LONGEST_CODE + 1):
        if regions := phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(digits[:n])):
            plan, number = _plan(regions[0]), digits[n:]
            if plan is None or len(number) not in plan.lengths or number[0] == "0":
                return False
            return plan.strips is None or not plan.strips.match(number)
    return False

"""Converts phone numbers as people write them to E.164: in national form, with words and signs, or as links."""

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, ValidationResult

from service.plain_numbers import plain_number

# ISO 3166 has GB; people write UK.
_ALIASES: Final = {"UK": "GB"}
_SCHEMES: Final = re.compile(r"^(?:(?:whatsapp|tel|sms|smsto|callto)\s*:\s*)+", re.IGNORECASE)
_WA_LINK: Final = re.compile(
    r"^(?:https?://)?(?:wa\.me/|(?:api|web)\.whatsapp\.com/send/?\?phone=)\+?(?=[0-9])([0-9]+).*", re.IGNORECASE
)
# WhatsApp's own ids have their country's code and no plus sign.
_WA_ID: Final = re.compile(r"^\s*whatsapp\s*:\s*[1-9]", re.IGNORECASE)
_EXTENSION: Final = re.compile(r"(?:ext|extn|extension|x|#)[\s.:=]*[0-9]+$|;\s*ext\s*=", re.IGNORECASE)
_CONTEXT: Final = re.compile(r";\s*phone-context\s*=\s*(\+[0-9.\-() ]+)", re.IGNORECASE)
E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
# RFC 3966: what else a `tel:` address may say of a number.
_PARAMETER: Final = re.compile(r";\s*(?!ext)[a-z][a-z-]*(?:=[^;]*)?(?=;|$)", re.IGNORECASE)
# What nearly all numbers are, of which nothing has to be taken away first.
_SIMPLE: Final = re.compile(r"(?:\+[1-9]|[0-9])[0-9 -]{3,20}[0-9]")
# Two plus signs, or one before an international prefix, as some systems add them twice.
_PLUSES: Final = re.compile(r"^[\s('\"=]*\+[\s(]*(?:\++|0\s*0)[\s(]*(?=[1-9])")
_NO_DIGITS: Final = re.compile(r"[^0-9+]")
# A spreadsheet's idea of a number.
_DECIMAL: Final = re.compile(r"^(\+?[0-9]{7,15})\.0+$")
# Two numbers in one, the second by its last digits (`98123 45678/79`): read as one, it would be another person's.
_TWO: Final = re.compile(r"(?:[0-9][\s.()-]*){7}/\s*[0-9]{1,2}$")
# Mexico's form with a 1 after the country's code, that phonenumbers takes for too long since it was dropped; and 01,
# 044 and 045, with which numbers were called nationally before.
_MEXICO_OLD: Final = re.compile(r"\+521[0-9]{10}")
_MEXICO_TRUNK: Final = re.compile(r"^(?:\+52)?(?:04[45]|01)(?=[0-9]{10}$)")
_TOO: Final[Mapping[int, str]] = {
    ValidationResult.TOO_SHORT: "it has too few digits",
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "its area code is missing",
    ValidationResult.TOO_LONG: "it has too many digits",
    ValidationResult.INVALID_LENGTH: "no number of its country has so many digits",
    ValidationResult.INVALID_COUNTRY_CODE: "no country has its code",
}
# Ways to call abroad that people write out of habit, wherever they are: ITU-T E.123 recommends 00, North America 011.
_ABROAD: Final = ("00", "011")


def country_of(text: str | None) -> str | None:
    """The country (ISO 3166, two letters, in any case) as phonenumbers knows it; None for an unknown one."""
    code = (text or "").strip().upper()
    code = _ALIASES.get(code, code)
    return code if code in phonenumbers.SUPPORTED_REGIONS else None


@lru_cache(maxsize=4096)
def number_or_problem(text: str, country: str | None) -> tuple[str, str]:
    """The number in E.164 and "", or "" and the problem."""
    try:
        return _read_number(text, country), ""
    except ValueError as error:
        return "", str(error)


def canonical_number(text: str, country: str | None = None) -> str:
    """A phone or WhatsApp number in E.164, as sure as its length and country code make it.

    `country` (ISO 3166) reads numbers written nationally. Raises ValueError in words that do not hold the number.
    Not asked whether the number is assigned: numbering plans grow faster than anybody's copy of them.
    """
    number, problem = number_or_problem(text, country)
    if problem:
        raise ValueError(f"not a phone number: {problem}")
    return number


def _read_number(text: str, country: str | None) -> str:
    is_simple = _SIMPLE.fullmatch(text) is not None
    plain = text if is_simple else _worded(text)
    digits = _NO_DIGITS.sub("", plain)
    if is_simple and (found := plain_number(digits, country)):
        return found
    if country == "MX" and re.fullmatch(r"1[0-9]{10}", digits):
        digits = f"+52{digits}"
    if _MEXICO_OLD.fullmatch(digits):
        return digits
    if digits.startswith("+52") or country == "MX":
        plain = _MEXICO_TRUNK.sub("+52", digits) if _MEXICO_TRUNK.search(digits) else plain
    number, why = _parsed(plain, country)
    if number is None and "+" not in plain:
        for prefix in ("", *_ABROAD) if _WA_ID.match(text) else _ABROAD:
            if digits.startswith(prefix):
                number, _ = _parsed("+" + digits.removeprefix(prefix), None)
                if number is not None:
                    break
                if _MEXICO_OLD.fullmatch("+" + digits.removeprefix(prefix)):
                    return "+" + digits.removeprefix(prefix)
    if number is None:
        raise ValueError(why)
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _worded(text: str) -> str:
    """The digits of a number with words and signs; raises ValueError for an ambiguous one."""
    plain = _plain(text)
    if _EXTENSION.search(plain):
        raise ValueError("it has an extension, which no message can reach")
    if _TWO.search(plain):
        raise ValueError("it is two numbers in one; send one of them")
    if any(unicodedata.category(c)[0] == "L" for c in plain):
        raise ValueError("it has letters")
    return plain


def _plain(text: str) -> str:
    """The text without invisible characters and prefixes such as `tel:`, with ASCII digits."""
    folded = unicodedata.normalize("NFKC", text)
    # Format characters (zero width, direction marks) are nothing; line ends and other blanks are blanks.
    seen = "".join(" " if unicodedata.category(c)[0] in "ZC" else c for c in folded if unicodedata.category(c) != "Cf")
    ascii_digits = "".join(str(unicodedata.digit(c)) if c.isdigit() else c for c in seen).strip()
    without = _WA_LINK.sub(r"+\1", _SCHEMES.sub("", ascii_digits).strip())
    if context := _CONTEXT.search(without):
        without = f"{context[1]} {without[: context.start()].strip()}"
    without = _PLUSES.sub("+", _PARAMETER.sub("", without))
    return _DECIMAL.sub(r"\1", without)


def _parsed(text: str, country: str | None) -> tuple[PhoneNumber | None, str]:
    """The parsed number, or the problem."""
    try:
        number = phonenumbers.parse(text, country)
    except NumberParseException as error:
        if error.error_type == NumberParseException.INVALID_COUNTRY_CODE:
            abroad = text.lstrip(" (").startswith("+")
            return None, _TOO[ValidationResult.INVALID_COUNTRY_CODE] if abroad else (
                "it names no country, and neither does its person or pack"
            )
        return None, "it has too many digits" if error.error_type == NumberParseException.TOO_LONG else (
            "it does not read as one"
        )
    reason = phonenumbers.is_possible_number_with_reason(number)
    if reason != ValidationResult.IS_POSSIBLE:
        return None, _TOO.get(reason, "it does not read as one")
    return number, ""

"""Addresses as people write them, given their one canonical form before anything else looks at them.

A number becomes E.164, read with the country of its person or pack where it is written nationally; mail is read by
`service.mail_address`; app tokens are trimmed. What can be no address is told in words that never hold it.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Final, TypeVar
from zoneinfo import available_timezones

import phonenumbers
from msgspec import UNSET, structs
from phonenumbers import NumberParseException, PhoneNumber, ValidationResult

from service.channels import registry
from service.domain.channels import own_key
from service.domain.events import AssigneeGiven, Event, EventData, EventWarning, PersonGiven
from service.domain.order import Order
from service.domain.people import as_list, matched
from service.domain.persons import Assignee, Person
from service.domain.unknown_fields import step
from service.mail_address import canonical_mail

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
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
# RFC 3966: what else a `tel:` address may say of a number.
_PARAMETER: Final = re.compile(r";\s*(?!ext)[a-z][a-z-]*(?:=[^;]*)?(?=;|$)", re.IGNORECASE)
# Two plus signs, or one before a way to call abroad: fields that add what was there already.
_PLUSES: Final = re.compile(r"^[\s('\"=]*\+[\s(]*(?:\++|0\s*0)[\s(]*(?=[1-9])")
# A spreadsheet's idea of a number.
_DECIMAL: Final = re.compile(r"^(\+?[0-9]{7,15})\.0+$")
# Two numbers in one, the second by its last digits (`98123 45678/79`): read as one it would be somebody else's.
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

E = TypeVar("E", PersonGiven, AssigneeGiven)


def country_of(text: str | None) -> str | None:
    """A country as phonenumbers knows it (ISO 3166, two letters), in whichever case; None for none."""
    code = (text or "").strip().upper()
    code = _ALIASES.get(code, code)
    return code if code in phonenumbers.SUPPORTED_REGIONS else None


@lru_cache(maxsize=4096)
def _number(text: str, country: str | None) -> tuple[str, str]:
    """The number in E.164 and "", or "" and why it can be none."""
    try:
        return _read_number(text, country), ""
    except ValueError as error:
        return "", str(error)


def canonical_number(text: str, country: str | None = None) -> str:
    """A phone or WhatsApp number in E.164, as sure as its length and country code make it.

    `country` (ISO 3166) reads numbers written nationally. Raises ValueError in words that do not hold the number.
    Not asked whether the number is assigned: numbering plans grow faster than anybody's copy of them.
    """
    number, problem = _number(text, country)
    if problem:
        raise ValueError(f"can be no phone number: {problem}")
    return number


def _read_number(text: str, country: str | None) -> str:
    plain = _plain(text)
    if _EXTENSION.search(plain):
        raise ValueError("it has an extension, which no message can reach")
    if _TWO.search(plain):
        raise ValueError("it is two numbers in one; send one of them")
    if any(unicodedata.category(c)[0] == "L" for c in plain):
        raise ValueError("it has letters")
    digits = re.sub(r"[^0-9+]", "", plain)
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


def _plain(text: str) -> str:
    """Without what does not show and what says that it is a number; digits of all scripts are ASCII's."""
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
    """The number, if it may be one, and else why not."""
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


def canonical_address(text: str, country: str | None = None) -> str:
    """A number or mail address in its canonical form; raises ValueError in words.

    An address that only one channel knows is written `<channel>:<address>`.
    """
    if found := _own_address(text, country):
        return found
    return canonical_mail(text) if "@" in text else canonical_number(text, country)


def _own_address(text: str, country: str | None) -> str:
    """How an address that only one channel knows is found (see `domain.channels`); empty for any other."""
    name, colon, address = text.strip().partition(":")
    channel = registry.channels().get(name.lower()) if colon else None
    if channel is None or channel.address:
        return ""
    return own_key(channel.name, channel.canonical(address, country))


def spellings(text: str, countries: Iterable[str] = ()) -> tuple[str, ...]:
    """What a typed address may be known as: as it stands, and in its canonical form in each of these countries."""
    found = [text]
    for country in (None, *countries):
        with suppress(ValueError):
            found.append(canonical_address(text, country))
    return tuple(dict.fromkeys(found))


def canonical_event(event: Event, region: str, known: Order | None) -> Event:
    """The event with every address in canonical form; what can be none is taken out and warned of.

    `region`: the pack's; `known`: the order as it is, whose people may have said their country before.
    """
    data, warnings = event.data, list[EventWarning]()
    changes: dict[str, object] = {}
    if data.recipients is not UNSET and data.recipients:
        changes["recipients"] = {
            audience: _audience(step("data.recipients", audience), audience, said, region, known, warnings)
            for audience, said in data.recipients.items()
        }
    if data.assignee is not UNSET and data.assignee is not None:
        same = known.assignee if known else None
        country = same.country if same and (same.role, same.id) == (data.assignee.role, data.assignee.id) else None
        changes["assignee"] = _person("data.assignee", data.assignee, country, region, warnings)
    if not changes:
        return event
    changed: EventData = structs.replace(data, **changes)
    return structs.replace(event, data=changed, warnings=(*event.warnings, *warnings))


def _audience(
    where: str,
    audience: str,
    said: PersonGiven | tuple[PersonGiven, ...] | None,
    region: str,
    known: Order | None,
    warnings: list[EventWarning],
) -> PersonGiven | tuple[PersonGiven, ...] | None:
    if said is None:
        return None
    named = as_list(said)
    there = known.recipients.get(audience, ()) if known else ()
    before = matched(there, [_as_known(p, there) for p in named])
    countries = [was.country if was else None for was in before]
    if isinstance(said, PersonGiven):
        return _person(where, said, countries[0], region, warnings)
    return tuple(_person(f"{where}[{n}]", p, countries[n], region, warnings) for n, p in enumerate(named))


def _as_known(p: PersonGiven, known: Sequence[Person]) -> PersonGiven:
    """Written nationally and without a country, a number is that of whoever is known by it in their own country."""
    changes: dict[str, str] = {}
    for field in ("phone", "whatsapp"):
        text = getattr(p, field)
        for who in known if text and not p.country else ():
            number, _ = _number(text, who.country) if who.country else ("", "")
            if number and number in (who.phone, who.whatsapp):
                changes[field] = number
                break
    return structs.replace(p, **changes) if changes else p


def _person(where: str, p: E, known_country: str | None, region: str, warnings: list[EventWarning]) -> E:
    changes: dict[str, object] = {}
    country = known_country
    if p.country:
        country = country_of(p.country)
        changes["country"] = country
        if country is None:
            warnings.append(
                EventWarning(f"{where}.country", "is no country of ISO 3166 (two letters) that has numbers")
            )
    for field in ("phone", "whatsapp", "email"):
        text = getattr(p, field)
        if text is UNSET or text is None:
            continue
        changes[field], problem = _address(field, text, country or region or None)
        if problem:
            warnings.append(EventWarning(f"{where}.{field}", problem))
    if isinstance(p, PersonGiven):
        if p.timezone:
            changes["timezone"] = zone = _zones().get(p.timezone.strip().lower())
            if zone is None:
                warnings.append(EventWarning(f"{where}.timezone", "is no time zone, such as Asia/Kolkata"))
        if p.channels:
            changes["channels"] = tuple(dict.fromkeys(c.strip().lower() for c in p.channels))
    if p.push_tokens:
        changes["push_tokens"] = tuple(dict.fromkeys(token for t in p.push_tokens if (token := t.strip())))
    if p.addresses:
        said = {c: a for c, a in p.addresses.items() if a is None}
        own = _own_addresses(f"{where}.addresses", p.addresses, country or region or None, warnings)
        changes["addresses"] = {**said, **own}
    return structs.replace(p, **changes) if changes else p


def _own_addresses(
    where: str,
    said: Mapping[str, str | tuple[str, ...] | None],
    country: str | None,
    warnings: list[EventWarning],
) -> dict[str, tuple[str, ...]]:
    """Addresses on channels that have no field of a person, as each channel writes them."""
    found: dict[str, tuple[str, ...]] = {}
    for name, given in said.items():
        if given is None:
            continue
        channel = registry.channels().get(name)
        if channel is None or channel.address:
            hint = f"is written as {channel.address}" if channel else "there is no such channel"
            warnings.append(EventWarning(step(where, name), hint))
            continue
        kept: dict[str, None] = {}
        for text in (given,) if isinstance(given, str) else given:
            try:
                if text.strip():
                    kept[channel.canonical(text, country)] = None
            except ValueError as error:
                warnings.append(EventWarning(step(where, name), str(error)))
        if kept:
            found[name] = tuple(kept)
    return found


@lru_cache(maxsize=1)
def _zones() -> Mapping[str, str]:
    """The names of the IANA's database, by how people may write them."""
    return {name.lower(): name for name in available_timezones()}


def _address(field: str, text: str, country: str | None) -> tuple[str | None, str]:
    """The canonical form, or None and what is wrong; nothing at all is no address and no mistake."""
    if not text.strip():
        return None, ""
    try:
        return canonical_mail(text) if field == "email" else canonical_number(text, country), ""
    except ValueError as error:
        return None, str(error)


def canonical_order(order: Order, region: str) -> Order:
    """An order of an earlier release, whose addresses were kept as they came; what can be none stays as it is."""
    people = {a: tuple(_kept(p, region) for p in ps) for a, ps in order.recipients.items()}
    assignee = _kept(order.assignee, region) if order.assignee else None
    changed = assignee is not order.assignee or any(
        p is not q for a, ps in people.items() for p, q in zip(ps, order.recipients[a], strict=True)
    )
    return structs.replace(order, recipients=people, assignee=assignee) if changed else order


K = TypeVar("K", Person, Assignee)


def _kept(p: K, region: str) -> K:
    changes: dict[str, str] = {}
    for field in ("phone", "whatsapp"):
        text = getattr(p, field)
        if text and not _E164.fullmatch(text):
            number, problem = _number(text, p.country or region or None)
            if not problem:
                changes[field] = number
    if p.email and not (p.email.isascii() and p.email == p.email.strip()):
        with suppress(ValueError):
            changes["email"] = canonical_mail(p.email)
    return structs.replace(p, **changes) if changes else p

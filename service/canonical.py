"""Converts addresses to their canonical form, before anything else uses them.

Numbers are read by `service.phone_numbers`, with the country of their person or pack where they are written nationally;
mail by `service.mail_address`; app tokens are trimmed. What can be no address is told in words that never hold it.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import TypeVar
from zoneinfo import available_timezones

from msgspec import UNSET, structs

from service.channels import registry
from service.domain.channels import own_key
from service.domain.events import AssigneeGiven, Event, EventData, EventWarning, PersonGiven
from service.domain.order import Order
from service.domain.people import as_list, matched
from service.domain.persons import Assignee, Person
from service.domain.unknown_fields import step
from service.mail_address import canonical_mail
from service.phone_numbers import E164, canonical_number, country_of, number_or_problem

E = TypeVar("E", PersonGiven, AssigneeGiven)


def canonical_address(text: str, country: str | None = None) -> str:
    """A number or mail address in its canonical form; raises ValueError in words.

    An address that only one channel knows is written `<channel>:<address>`.
    """
    if found := _own_address(text, country):
        return found
    return canonical_mail(text) if "@" in text else canonical_number(text, country)


def _own_address(text: str, country: str | None) -> str:
    """The key of an address of a channel's own (see `domain.channels`); empty for any other."""
    name, colon, address = text.strip().partition(":")
    channel = registry.channels().get(name.lower()) if colon else None
    if channel is None or channel.address:
        return ""
    return own_key(channel.name, channel.canonical(address, country))


def spellings(text: str, countries: Iterable[str] = ()) -> tuple[str, ...]:
    """The forms that a typed address may have: as it is, and canonical in each of these countries."""
    found = [text]
    for country in (None, *countries):
        with suppress(ValueError):
            found.append(canonical_address(text, country))
    return tuple(dict.fromkeys(found))


def canonical_event(event: Event, region: str, known: Order | None) -> Event:
    """The event with every address in canonical form; invalid ones are removed, with a warning.

    `region`: the pack's; `known`: the order as it is, whose people may have said their country before.
    """
    data, warnings = event.data, list[EventWarning]()
    changes: dict[str, object] = {}
    if data.recipients is not UNSET and data.recipients:
        changes["recipients"] = {
            audience: _audience(step("data.recipients", audience), audience, people, region, known, warnings)
            for audience, people in data.recipients.items()
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
    people: PersonGiven | tuple[PersonGiven, ...] | None,
    region: str,
    known: Order | None,
    warnings: list[EventWarning],
) -> PersonGiven | tuple[PersonGiven, ...] | None:
    if people is None:
        return None
    named = as_list(people)
    there = known.recipients.get(audience, ()) if known else ()
    before = matched(there, [_as_known(p, there) for p in named])
    countries = [was.country if was else None for was in before]
    if isinstance(people, PersonGiven):
        return _person(where, people, countries[0], region, warnings)
    return tuple(_person(f"{where}[{n}]", p, countries[n], region, warnings) for n, p in enumerate(named))


def _as_known(p: PersonGiven, known: Sequence[Person]) -> PersonGiven:
    """Resolve national numbers without a country by the known people of the order."""
    changes: dict[str, str] = {}
    for field in ("phone", "whatsapp"):
        text = getattr(p, field)
        for who in known if text and not p.country else ():
            number, _ = number_or_problem(text, who.country) if who.country else ("", "")
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
        cleared = {c: a for c, a in p.addresses.items() if a is None}
        own = _own_addresses(f"{where}.addresses", p.addresses, country or region or None, warnings)
        changes["addresses"] = {**cleared, **own}
    return structs.replace(p, **changes) if changes else p


def _own_addresses(
    where: str,
    addresses: Mapping[str, str | tuple[str, ...] | None],
    country: str | None,
    warnings: list[EventWarning],
) -> dict[str, tuple[str, ...]]:
    """Addresses on channels that have no field of a person, as each channel writes them."""
    found: dict[str, tuple[str, ...]] = {}
    for name, given in addresses.items():
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
    """The IANA time zone names, by their usual spellings."""
    return {name.lower(): name for name in available_timezones()}


def _address(field: str, text: str, country: str | None) -> tuple[str | None, str]:
    """The canonical form, or None and the problem; an empty address is neither."""
    if not text.strip():
        return None, ""
    try:
        return canonical_mail(text) if field == "email" else canonical_number(text, country), ""
    except ValueError as error:
        return None, str(error)


def canonical_order(order: Order, region: str) -> Order:
    """An order of an earlier release with its addresses made canonical; invalid ones stay as they are."""
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
        if text and not E164.fullmatch(text):
            number, problem = number_or_problem(text, p.country or region or None)
            if not problem:
                changes[field] = number
    if p.email and not (p.email.isascii() and p.email == p.email.strip()):
        with suppress(ValueError):
            changes["email"] = canonical_mail(p.email)
    return structs.replace(p, **changes) if changes else p

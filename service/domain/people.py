"""Merges the people that events name into those of the order: matched, updated, removed.

A person in a later event is the one with the same `id`, else one who shares an address, else the only one of the
audience. A field left out keeps its value, `null` removes it. A list names everybody of its audience; a single person
updates the matching one, is added to several, or replaces the only one if that is somebody else.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from msgspec import UNSET, structs

from service.domain.address_keys import address_key
from service.domain.channels import own_keys
from service.domain.events import AssigneeGiven, PersonGiven
from service.domain.persons import Assignee, Person, Wishes

P = TypeVar("P", Person, Assignee)
# More changes of address are a publisher's mistake; the person index still has all of them.
FORMER_KEPT: Final = 20
People = Mapping[str, tuple[Person, ...]]
Given = Mapping[str, PersonGiven | tuple[PersonGiven, ...] | None]

_EMPTY: Final = {"id": "", "name": "", "push_tokens": (), "muted": (), "addresses": {}}


def merged_people(known: People, given: Given) -> dict[str, tuple[Person, ...]]:
    """The order's people after an event that names these."""
    merged = dict(known)
    for audience, people in given.items():
        before = known.get(audience, ())
        if people is None:
            merged[audience] = ()
        elif isinstance(people, PersonGiven):
            merged[audience] = _with_one(before, people)
        else:
            merged[audience] = tuple(_updated(was, now) for was, now in _pairs(before, people))
    return merged


def filled_people(known: People, given: Given) -> dict[str, tuple[Person, ...]]:
    """As `merged_people`, for a late event: it only fills gaps."""
    filled = dict(known)
    for audience, people in given.items():
        listed = as_list(people)
        before = known.get(audience, ())
        if not before and audience not in known:
            filled[audience] = tuple(_updated(None, now) for now in listed)
            continue
        gaps = {id(was): now for was, now in _pairs(before, listed) if was is not None}
        filled[audience] = tuple(_gaps_filled(p, gaps[id(p)]) if id(p) in gaps else p for p in before)
    return filled


def as_list(people: PersonGiven | tuple[PersonGiven, ...] | None) -> tuple[PersonGiven, ...]:
    """The people that an event names in one audience, as a tuple."""
    if people is None:
        return ()
    return (people,) if isinstance(people, PersonGiven) else people


def matched(known: Sequence[Person], given: Sequence[PersonGiven]) -> list[Person | None]:
    """For each person of an event the known person that it means; None for a new one."""
    return [was for was, _ in _pairs(known, given)]


def merged_assignee(known: Assignee | None, given: AssigneeGiven | None) -> Assignee | None:
    """The assignee after an event; a new one takes over nothing from the previous one."""
    if given is None:
        return None
    same = known if known is not None and (known.role, known.id) == (given.role, given.id) else None
    was = same or Assignee(given.role, given.id)
    return with_former(was, structs.replace(was, **_given_fields(given, was)))


def _with_one(before: tuple[Person, ...], person: PersonGiven) -> tuple[Person, ...]:
    (was,) = matched(before, (person,))
    if was is not None:
        return tuple(_updated(p, person) if p is was else p for p in before)
    return (*(before if len(before) > 1 else ()), _updated(None, person))


def _pairs(known: Sequence[Person], given: Sequence[PersonGiven]) -> list[tuple[Person | None, PersonGiven]]:
    """Each named person with the known one that it means; a known person is matched once at most."""
    if not known:
        return [(None, now) for now in given]
    found: dict[int, Person] = {}
    free = list(known)

    def take(n: int, candidates: list[Person]) -> None:
        if n not in found and candidates:
            found[n] = candidates[0]
            free[:] = [p for p in free if p is not candidates[0]]

    for n, now in enumerate(given):
        take(n, [p for p in free if now.id and p.id == now.id])
    for n, now in enumerate(given):
        theirs = places_of(now)
        take(n, [p for p in free if not theirs.isdisjoint(places_of(p))])
    if len(known) == len(given) == 1:
        take(0, [p for p in free if not (p.id and given[0].id)])
    return [(found.get(n), now) for n, now in enumerate(given)]


def places_of(person: Person | PersonGiven) -> frozenset[str]:
    """The keys of a person's addresses: numbers and mail normalised, others as they are."""
    keyed = {address_key(a) for a in (person.phone, person.whatsapp, person.email) if a}
    keyed |= set(own_keys(person.addresses or {}))
    return frozenset(keyed | set(person.push_tokens or ()) | ({person.webhook} if person.webhook else set()))


def with_wishes(
    recipients: Mapping[str, tuple[Person, ...]], wishes: Mapping[str, Wishes]
) -> Mapping[str, tuple[Person, ...]]:
    """The people with the wishes that they chose themselves, by address key."""

    def chosen(p: Person) -> Person:
        found = next((wishes[place] for place in sorted(places_of(p)) if place in wishes), None)
        return structs.replace(p, wishes=found) if found else p

    return {audience: tuple(chosen(p) for p in people) for audience, people in recipients.items()}


def _updated(was: Person | None, now: PersonGiven) -> Person:
    known = was or Person()
    return with_former(known, structs.replace(known, **_given_fields(now, known)))


def with_former(was: P, now: P) -> P:
    """`now`, with the addresses of `was` that it no longer has among `former`, the newest last."""
    here = (now.phone, now.whatsapp, now.email)
    left: tuple[str, ...] = tuple(a for a in (was.phone, was.whatsapp, was.email) if a and a not in here)
    own = set(own_keys(now.addresses))
    left += tuple(key for key in own_keys(was.addresses) if key not in own)
    if not left:
        return now
    return structs.replace(now, former=tuple(dict.fromkeys((*now.former, *left)))[-FORMER_KEPT:])


def _given_fields(now: PersonGiven | AssigneeGiven, known: Person | Assignee) -> dict[str, Any]:
    """The fields that an event gives of a person; `null` as the field's empty value."""
    values = {f: getattr(now, f) for f in now.__struct_fields__}
    fields = {f: _EMPTY.get(f) if v is None else v for f, v in values.items() if v is not UNSET}
    if isinstance(now.addresses, Mapping):
        fields["addresses"] = _own_addresses(known, now)
    return fields


def _own_addresses(known: Person | Assignee, now: PersonGiven | AssigneeGiven) -> dict[str, tuple[str, ...]]:
    """Addresses by channel; a channel that is left out keeps its addresses."""
    given = {c: (a,) if isinstance(a, str) else a or () for c, a in (now.addresses or {}).items()}
    return {c: a for c, a in {**known.addresses, **given}.items() if a}


def _gaps_filled(was: Person, late: PersonGiven) -> Person:
    gaps = {f: v for f, v in _given_fields(late, Person()).items() if v and getattr(was, f) in (None, "", ())}
    if late.addresses:
        gaps["addresses"] = {**_own_addresses(Person(), late), **was.addresses}
    return structs.replace(was, **gaps) if gaps else was

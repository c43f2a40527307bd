"""Persons as an order knows them, once everything that events said of them is put together."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct


class Person(Struct, frozen=True, omit_defaults=True):
    """Somebody to tell, as the order knows them: where they can be reached, in which language and time zone.

    Addresses are in canonical form; `channels` are those wanted (None: all), `muted` the notices not wanted;
    `addresses`: by channel, those of channels that none of the fields is for. `former`: addresses that they had
    before, so that erasure finds what went there.
    """

    name: str = ""
    phone: str | None = None
    whatsapp: str | None = None
    email: str | None = None
    push_tokens: tuple[str, ...] = ()
    addresses: Mapping[str, tuple[str, ...]] = {}
    locale: str | None = None
    timezone: str | None = None
    webhook: str | None = None
    channels: tuple[str, ...] | None = None
    muted: tuple[str, ...] = ()
    id: str = ""
    country: str | None = None
    former: tuple[str, ...] = ()


class Assignee(Struct, frozen=True, omit_defaults=True):
    """Whoever handles the order now, as the order knows them; addresses are in canonical form."""

    role: str
    id: str
    name: str = ""
    phone: str | None = None
    whatsapp: str | None = None
    email: str | None = None
    push_tokens: tuple[str, ...] = ()
    addresses: Mapping[str, tuple[str, ...]] = {}
    locale: str | None = None
    country: str | None = None
    former: tuple[str, ...] = ()


# What whoever handles an order has in common with a person who is told of it.
_SHARED: Final = tuple(
    f for f in Assignee.__struct_fields__ if f in Person.__struct_fields__ and f not in ("id", "country", "former")
)


def as_person(assignee: Assignee) -> Person:
    """Whoever handles the order, as somebody to tell: reached wherever they can be."""
    return Person(**{f: getattr(assignee, f) for f in _SHARED})

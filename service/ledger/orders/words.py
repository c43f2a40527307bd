"""Digests for searching orders by people's names, by the order's id in any spelling, and by its last digits.

They are stored as keyed digests together with those of addresses.
"""

import unicodedata
from collections.abc import Iterable
from typing import Final

from sqlalchemy import ColumnElement, and_, select

from service.domain.order import Order
from service.keyring import Keyring
from service.ledger.orders.tables import order_people, orders

FEWEST_LETTERS: Final = 2
MOST_WORDS: Final = 6
# Callers often read out only the last digits of an id.
LAST_DIGITS: Final = 4


def words_of(name: str) -> list[str]:
    """The words of a name, normalised: without case, diacritics and punctuation."""
    folded = "".join(c for c in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(c))
    words = "".join(c if c.isalnum() else " " for c in folded).split()
    return list(dict.fromkeys(w for w in words if len(w) >= FEWEST_LETTERS))[:MOST_WORDS]


def name_digests(keyring: Keyring, names: Iterable[str]) -> list[bytes]:
    """A digest for each word of these names."""
    return [keyring.digest("name", word) for word in dict.fromkeys(w for name in names for w in words_of(name))]


def reference_digests(keyring: Keyring, reference: str) -> list[bytes]:
    """Digests of an order's id: normalised as a whole, and of its last digits."""
    plain = _plain(reference)
    tail = plain[-LAST_DIGITS:]
    found = [keyring.digest("reference", plain)] if plain else []
    return [*found, keyring.digest("reference-end", tail)] if len(tail) == LAST_DIGITS and tail.isdigit() else found


def _plain(reference: str) -> str:
    return "".join(c for c in reference.casefold() if c.isalnum())


def digests_of(keyring: Keyring, order: Order) -> list[bytes]:
    """All search digests of an order."""
    names = [p.name for people in order.recipients.values() for p in people]
    names += [order.assignee.name] if order.assignee else []
    return [*reference_digests(keyring, order.reference), *name_digests(keyring, names)]


def found_by(keyring: Keyring, text: str, *, by_names: bool) -> list[ColumnElement[bool]]:
    """Conditions for orders that match this text, one per index. `by_names`: also search people's names."""
    looks = []
    if plain := _plain(text):
        looks.append(_with(keyring.digest("reference", plain)))
    if plain.isdigit() and len(plain) >= LAST_DIGITS:
        ends = orders.c.order_id.endswith(plain, autoescape=True)
        looks.append(and_(ends, _with(keyring.digest("reference-end", plain[-LAST_DIGITS:]))))
    if by_names and (words := name_digests(keyring, [text])):
        looks.append(and_(*map(_with, words)))
    return looks


def _with(digest: bytes) -> ColumnElement[bool]:
    return orders.c.id.in_(select(order_people.c.order_id).where(order_people.c.digest == digest))

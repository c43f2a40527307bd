"""By what an order is found that is no address: words of its people's names, its id in any spelling, its last digits.

They stand as keyed digests among those of addresses; nothing can be read from them.
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
# What callers read out of an id, when they do not read all of it.
LAST_DIGITS: Final = 4


def words_of(name: str) -> list[str]:
    """The words of a name, comparably written: without case, marks and punctuation."""
    folded = "".join(c for c in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(c))
    words = "".join(c if c.isalnum() else " " for c in folded).split()
    return list(dict.fromkeys(w for w in words if len(w) >= FEWEST_LETTERS))[:MOST_WORDS]


def name_digests(keyring: Keyring, names: Iterable[str]) -> list[bytes]:
    """One for each word of these names."""
    return [keyring.digest("name", word) for word in dict.fromkeys(w for name in names for w in words_of(name))]


def reference_digests(keyring: Keyring, reference: str) -> list[bytes]:
    """Of an order's id: as a whole, however it is written, and of its last digits."""
    plain = _plain(reference)
    tail = plain[-LAST_DIGITS:]
    found = [keyring.digest("reference", plain)] if plain else []
    return [*found, keyring.digest("reference-end", tail)] if len(tail) == LAST_DIGITS and tail.isdigit() else found


def _plain(reference: str) -> str:
    return "".join(c for c in reference.casefold() if c.isalnum())


def digests_of(keyring: Keyring, order: Order) -> list[bytes]:
    """Everything by which this order is found."""
    names = [p.name for people in order.recipients.values() for p in people]
    names += [order.assignee.name] if order.assignee else []
    return [*reference_digests(keyring, order.reference), *name_digests(keyring, names)]


def found_by(keyring: Keyring, text: str, *, by_names: bool) -> list[ColumnElement[bool]]:
    """Conditions for orders that match this text, one per index. `by_names`: search people's names, too."""
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

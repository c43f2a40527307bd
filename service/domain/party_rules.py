"""What a pack shows the people of a party of their orders, and in which statuses an order waits for them."""

from typing import Final

from msgspec import Struct

# The fields of another person that may be shown, named as `audience.field`.
SEEN_OF_PEOPLE: Final = ("name", "phone", "whatsapp", "email")


class PartyRules(Struct, frozen=True):
    """The rules for the people of one audience.

    `sees`: paths such as `customer.phone`, `customer` (all that may be seen of them), `price`, `attributes.x`.
    `to_do`: the statuses in which an order waits for them; where none is named, those in which they may change it.
    """

    sees: frozenset[str] = frozenset()
    to_do: frozenset[str] = frozenset()

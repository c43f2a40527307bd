"""What a pack lets the people of a party see of their orders, and where an order waits for them."""

from typing import Final

from msgspec import Struct

# What may be seen of somebody else, by the name of their audience and one of these.
SEEN_OF_PEOPLE: Final = ("name", "phone", "whatsapp", "email")


class PartyRules(Struct, frozen=True):
    """For the people of one audience.

    `sees`: paths such as `customer.phone`, `customer` (all that may be seen of them), `price`, `attributes.x`.
    `to_do`: the statuses in which an order waits for them; where none is named, those in which they may change it.
    """

    sees: frozenset[str] = frozenset()
    to_do: frozenset[str] = frozenset()

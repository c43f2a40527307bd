"""What the domain knows of channels: where a person's addresses on each are found, and when two are equal. Data."""

from collections.abc import Iterator, Mapping
from typing import Final, Literal

from msgspec import Struct

from service.domain.address_keys import address_key
from service.domain.persons import Assignee, Person
from service.domain.rungs import Reached

AddressField = Literal["phone", "whatsapp", "email", "push_tokens", "webhook", ""]
NUMBERS: Final = ("phone", "whatsapp")
# Fields in which different spellings are one address; in others case and blanks count.
SPELLED: Final = (*NUMBERS, "email")


class ChannelSpec(Struct, frozen=True):
    """A channel, as far as decisions depend on it.

    `field`: the field of a person that holds their address on it; empty: it has addresses of its own, which stand in
    `Person.addresses` under its name. `joins`: several of its messages to one reader can be one. `tells`: the most that
    is ever heard of a message.
    """

    name: str
    field: AddressField = ""
    joins: bool = False
    tells: Reached = "read"

    @property
    def is_dialled(self) -> bool:
        """Whether its addresses are phone numbers, which are priced by country and have caps."""
        return self.field in NUMBERS

    @property
    def has_own_addresses(self) -> bool:
        """Whether its addresses are not in a field of the person."""
        return not self.field

    def addresses(self, person: Person | Assignee) -> tuple[str, ...]:
        """The person's addresses on this channel."""
        if not self.field:
            return tuple(person.addresses.get(self.name, ()))
        value = getattr(person, self.field, None)
        return value if isinstance(value, tuple) else (value,) if value else ()

    def place(self, address: str) -> tuple[str, str]:
        """A key for comparison, equal for all spellings of one address on this channel."""
        return self.name, address_key(address) if self.field in SPELLED else address

    def known_as(self, address: str) -> str:
        """The key of an address among those of all channels; see `own_key`."""
        return own_key(self.name, address) if not self.field else address


def own_key(channel: str, address: str) -> str:
    """An address that only this channel knows, comparably written: two channels may give one name to two people."""
    return address_key(f"{channel}:{address}")


def own_keys(addresses: Mapping[str, object]) -> Iterator[str]:
    """The keys of these addresses, one or several a channel."""
    for channel, value in addresses.items():
        for address in value if isinstance(value, tuple) else (value,) if isinstance(value, str) else ():
            yield own_key(channel, address)


def found_by(person: Person | Assignee) -> Iterator[str]:
    """The addresses by which people ask for a person's orders: everything but what only machines know."""
    yield from (a for a in (person.phone, person.whatsapp, person.email) if a)
    yield from own_keys(person.addresses)

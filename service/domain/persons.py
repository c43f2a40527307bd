"""People as an order knows them, merged from all events."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct


class Wishes(Struct, frozen=True, omit_defaults=True):
    """What a person chose on their preference page; it overrides events, except for `mandatory` notices.

    `channels`: those wanted; `muted`: notices that are not; `quiet`: from and to, "HH:MM", in their own time.
    """

    channels: tuple[str, ...]
    muted: tuple[str, ...] = ()
    locale: str | None = None
    quiet: tuple[str, str] | None = None


class Person(Struct, frozen=True, omit_defaults=True):
    """A recipient as the order knows them: their addresses, language and time zone.

    Addresses are in canonical form; `channels` are those wanted (None: all), `muted` the notices not wanted;
    `addresses`: by channel, for channels without a field here. `former`: previous addresses, by which erasure finds
    what went there. `wishes`: what they chose on their preference page.
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
    wishes: Wishes | None = None

    def wants(self, channel: str) -> bool:
        """Whether they want messages on this channel: as they chose themselves, else as events say."""
        channels = self.wishes.channels if self.wishes else self.channels
        return channels is None or channel in channels

    def wants_told(self, notice: str) -> bool:
        """Whether they want this notice."""
        return notice not in (self.wishes.muted if self.wishes else self.muted)

    @property
    def language(self) -> str | None:
        """The language they chose, else the one that events name."""
        return (self.wishes and self.wishes.locale) or self.locale


class Assignee(Struct, frozen=True, omit_defaults=True):
    """The assignee, who handles the order now; addresses are in canonical form."""

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


# The fields that an assignee and a recipient have in common.
_SHARED: Final = tuple(
    f for f in Assignee.__struct_fields__ if f in Person.__struct_fields__ and f not in ("id", "country", "former")
)


def as_person(assignee: Assignee) -> Person:
    """The assignee as a recipient."""
    return Person(**{f: getattr(assignee, f) for f in _SHARED})

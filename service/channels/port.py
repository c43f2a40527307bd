"""What a provider of a channel does: send one message, and answer in the domain's words."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final, Protocol, runtime_checkable

from msgspec import Struct

from service.channels.medium import Rendered
from service.domain.notices import Accepted, Deferred, Lookup, NoAnswer, Permanent, Refused, Transient

SendResult = Accepted | Transient | Permanent | Refused | Deferred | NoAnswer


class Attachment(Struct, frozen=True):
    """A text file that goes with a mail."""

    name: str
    text: str


class MailHeaders(Struct, frozen=True):
    """What a mail says beside its text. `bounce_to`: the envelope's sender; empty: the relay's own.

    `from_name`: who it comes from, where its sender has no name of its own; empty: as the relay's own sender is called.
    """

    bounce_to: str = ""
    from_name: str = ""
    reply_to: str = ""
    unsubscribe: str = ""


class ReplyWindow(Struct, frozen=True):
    """Where a reader may be sent free words now, having written lately: to which senders of ours they wrote.

    `holds`: whether the channel is known to refuse them elsewhere.
    """

    open_to: frozenset[str] = frozenset()
    holds: bool = False


class OutgoingMessage(Struct, frozen=True):
    """One message, ready to go. `ttl_s`: how long the provider may still try, in seconds.

    `urgent`: it holds a code, and does not try out providers that are left alone while another one works. `senders`:
    from whom it comes: one for each provider of the channel, the preferred one's first; without, each has its own.
    `window`: of a channel on which free words are only for those who wrote lately.
    """

    message_id: str
    address: str
    rendered: Rendered
    ttl_s: int
    callback_url: str
    data: dict[str, str] = {}
    attachment: Attachment | None = None
    mail: MailHeaders = MailHeaders()
    urgent: bool = False
    senders: tuple[str, ...] = ()
    window: ReplyWindow | None = None


def chosen_sender(provider: "Provider", message: OutgoingMessage) -> str:
    """From whom this provider sends the message, if not from its own sender; empty: from that."""
    place: int | None = getattr(provider, "place", None)
    return "" if place is None or place >= len(message.senders) else message.senders[place]


_FROM: Final = " from "


def way_of(provider: "Provider", message: OutgoingMessage) -> str:
    """What a provider is called where its senders differ: `twilio:1a2b3c from +14155550100`, its own by name alone."""
    sender = chosen_sender(provider, message)
    return f"{provider.name}{_FROM}{sender}" if sender else provider.name


def provider_of(way: str) -> str:
    """The provider's name."""
    return way.partition(_FROM)[0]


class Provider(Protocol):
    """A way to send over one channel.

    One that can send from other senders than its own has a `place`: which of a message's `senders` is for it.
    """

    name: str
    sender: str

    async def send(self, message: OutgoingMessage) -> SendResult:
        """Send within the provider's time; never raises for what the provider or the network does.

        What is raised all the same counts as trouble of the provider, and as unanswered: raise nothing before
        something may have been sent.
        """
        ...

    async def find(self, message: OutgoingMessage, others: frozenset[str]) -> Accepted | Lookup:
        """Look up at the provider whether it has the message; never raises.

        `others`: the provider's ids of the order's other messages, which may have the same words.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


@runtime_checkable
class TellsPrices(Protocol):
    """A provider that can be asked what messages cost, once it knows."""

    name: str

    async def prices(self, since: datetime, until: datetime) -> Mapping[str, tuple[Decimal, str]]:
        """By its id for each message sent in this time: amount and currency (ISO 4217); never raises."""
        ...

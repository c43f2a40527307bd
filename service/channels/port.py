"""The interface to providers: send one message and return the result."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final, Protocol, runtime_checkable

from msgspec import Struct

from service.channels.medium import Rendered
from service.domain.notices import Accepted, Deferred, Lookup, NoAnswer, Permanent, Refused, Transient

SendResult = Accepted | Transient | Permanent | Refused | Deferred | NoAnswer


class Attachment(Struct, frozen=True):
    """A text file attached to a mail."""

    name: str
    text: str


class MailHeaders(Struct, frozen=True):
    """Headers of a mail. `bounce_to`: the envelope's sender; empty: the relay's default.

    `from_name`: the sender's name if the sender's address has none; empty: the name of the relay's default sender.
    """

    bounce_to: str = ""
    from_name: str = ""
    reply_to: str = ""
    unsubscribe: str = ""


class ReplyWindow(Struct, frozen=True):
    """For a channel with a reply window: the senders of ours to which the reader wrote lately.

    `holds`: whether the channel is known to enforce the window.
    """

    open_to: frozenset[str] = frozenset()
    holds: bool = False


class OutgoingMessage(Struct, frozen=True):
    """A message, ready to send. `ttl_s`: for how long the provider may try, in seconds.

    `urgent`: it contains a code, and does not probe a provider with an open breaker while another one works. `senders`:
    one sender for each provider of the channel, the preferred provider's first; empty: the providers' defaults.
    `window`: only for channels with a reply window.
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
    """The sender chosen for this provider; empty: its default."""
    place: int | None = getattr(provider, "place", None)
    return "" if place is None or place >= len(message.senders) else message.senders[place]


_FROM: Final = " from "


def route_name(provider: "Provider", message: OutgoingMessage) -> str:
    """A provider's name, with the chosen sender: `twilio:1a2b3c from +14155550100`; without one the name only."""
    sender = chosen_sender(provider, message)
    return f"{provider.name}{_FROM}{sender}" if sender else provider.name


def provider_of(way: str) -> str:
    """The provider's name, without the sender."""
    return way.partition(_FROM)[0]


class Provider(Protocol):
    """Sends over one channel.

    A provider with several possible senders has a `place`: its index in a message's `senders`.
    """

    name: str
    sender: str

    async def send(self, message: OutgoingMessage) -> SendResult:
        """Send within the provider's time limit; does not raise for errors of the provider or the network.

        Other exceptions count as a failure of the provider and as no answer, so raise none before something may have
        been sent.
        """
        ...

    async def find(self, message: OutgoingMessage, others: frozenset[str]) -> Accepted | Lookup:
        """Look up whether the provider has the message; never raises.

        `others`: the provider's ids of the order's other messages, which may have the same text.
        """
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


@runtime_checkable
class ReportsPrices(Protocol):
    """A provider that can report prices of messages afterwards."""

    name: str

    async def prices(self, since: datetime, until: datetime) -> Mapping[str, tuple[Decimal, str]]:
        """Amount and currency (ISO 4217) by provider id, for messages sent in this time; never raises."""
        ...

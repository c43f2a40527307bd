"""What a provider of a channel does: send one message, and answer in the domain's words."""

from typing import Protocol

from msgspec import Struct

from service.channels.medium import Rendered
from service.domain.notices import Accepted, Deferred, Lookup, NoAnswer, Permanent, Refused, Transient

SendResult = Accepted | Transient | Permanent | Refused | Deferred | NoAnswer


class Attachment(Struct, frozen=True):
    """A text file that goes with a mail."""

    name: str
    text: str


class MailHeaders(Struct, frozen=True):
    """What a mail says beside its text. `bounce_to`: the envelope's sender; empty: the relay's own."""

    bounce_to: str = ""
    reply_to: str = ""
    unsubscribe: str = ""


class OutgoingMessage(Struct, frozen=True):
    """One message, ready to go. `ttl_s`: how long the provider may still try, in seconds.

    `urgent`: it holds a code, and does not try out providers that are left alone while another one works.
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


class Provider(Protocol):
    """A way to send over one channel."""

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

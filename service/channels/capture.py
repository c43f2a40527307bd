"""A channel without credentials: the message is rendered and kept, shown in the inbox page, sent nowhere."""

from service.channels.port import OutgoingMessage, SendResult
from service.domain.notices import Accepted, Lookup


class CaptureProvider:
    """Says yes to everything."""

    name = "capture"
    sender = "capture"

    async def send(self, message: OutgoingMessage) -> SendResult:
        """Nothing to do: what the message says is in the ledger."""
        return Accepted(self.name, message.message_id)

    async def find(self, message: OutgoingMessage, others: frozenset[str]) -> Accepted | Lookup:
        """Everything that was begun was captured."""
        return Accepted(self.name, message.message_id)

    async def close(self) -> None:
        """Nothing is open."""

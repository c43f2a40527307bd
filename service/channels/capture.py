"""The provider of a channel without credentials: messages are rendered and stored, and shown on the inbox page."""

from service.channels.port import OutgoingMessage, SendResult
from service.domain.notices import Accepted, Lookup


class CaptureProvider:
    """Accepts every message without sending it."""

    name = "capture"
    sender = "capture"

    async def send(self, message: OutgoingMessage) -> SendResult:
        """Nothing to do: the rendered message is in the ledger."""
        return Accepted(self.name, message.message_id)

    async def find(self, message: OutgoingMessage, others: frozenset[str]) -> Accepted | Lookup:
        """Every message that was begun counts as sent."""
        return Accepted(self.name, message.message_id)

    async def close(self) -> None:
        """Nothing to close."""

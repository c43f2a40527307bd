"""A channel without credentials: the message is rendered and kept, shown in the inbox page, sent nowhere."""

from service.channels.port import Outgoing, SendAnswer
from service.domain.notices import Accepted, Lookup


class CaptureProvider:
    """Says yes to everything."""

    name = "capture"
    sender = "capture"

    async def send(self, message: Outgoing) -> SendAnswer:
        """Nothing to do: what the message says is in the ledger."""
        return Accepted(self.name, message.notification_id)

    async def find(self, message: Outgoing, others: frozenset[str]) -> Accepted | Lookup:
        """Everything that was begun was captured."""
        return Accepted(self.name, message.notification_id)

    async def close(self) -> None:
        """Nothing is open."""

"""Signed webhooks to participants with a machine interface, such as providers. Receivers deduplicate by id."""

from datetime import UTC, datetime

from service.channels.port import OutgoingMessage, SendResult
from service.domain.notices import Accepted, Lookup, Permanent, Transient
from service.webhook_targets import NOT_ALLOWED as WHY
from service.webhooks import NOT_ALLOWED, WebhookClient


class WebhookProvider:
    """Posts to the recipient's URL."""

    name = "webhook"
    sender = "webhook"

    def __init__(self, client: WebhookClient) -> None:
        self._client = client

    async def send(self, message: OutgoingMessage) -> SendResult:
        """POST the notice as JSON; anything but a refusal is retried."""
        posted = await self._client.post(message.address, message.message_id, message.rendered.text, datetime.now(UTC))
        if posted.outcome == "taken":
            return Accepted(self.name, message.message_id)
        if posted.outcome == "later":
            return Transient(self.name, posted.code, "the receiver did not take it", posted.wait_s)
        if posted.code == NOT_ALLOWED:
            return Permanent(self.name, posted.code, WHY, "refused")
        kind = "unregistered" if posted.outcome == "gone" else "refused"
        return Permanent(self.name, posted.code, f"HTTP {posted.code}", kind)  # type: ignore[arg-type]

    async def find(self, message: OutgoingMessage, others: frozenset[str]) -> Accepted | Lookup:
        """A webhook cannot be looked up; sending it again does no harm."""
        return Lookup()

    async def close(self) -> None:
        """Close connections."""
        await self._client.close()

"""The bot's API: POST /messages sends, GET /messages/{id} says whether it has one."""

from aiohttp import ClientConnectorError, ClientError, ClientSession, ClientTimeout

from service.channels.http_answers import seconds_of
from service.channels.port import OutgoingMessage, SendResult
from service.domain.notices import Accepted, Lookup, NoAnswer, Permanent, Refused, Transient


class ChatProvider:
    """One bot."""

    name = "toychat"
    sender = "bot"

    def __init__(self, url: str, token: str, timeout_s: float) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._session = ClientSession(url, headers=headers, timeout=ClientTimeout(total=timeout_s))

    async def send(self, message: OutgoingMessage) -> SendResult:
        """Its answer in the words of Stagebell; never raises."""
        body = {"id": message.message_id, "to": message.address, "text": message.rendered.text}
        try:
            async with self._session.post("/messages", json=body) as response:
                return self._read(response.status, response.headers.get("Retry-After"))
        except ClientConnectorError as error:
            return Transient(self.name, "connect", type(error).__name__)
        except (TimeoutError, ClientError, OSError) as error:
            return NoAnswer(self.name, type(error).__name__)

    def _read(self, status: int, retry_after: str | None) -> SendResult:
        code = str(status)
        if status < 300:
            return Accepted(self.name)
        if status in (401, 403):
            return Refused(self.name, code, "the bot's token is not taken")
        if status in (429, 503):
            return Transient(self.name, code, "busy", seconds_of(retry_after), pause=True)
        if status == 410:
            return Permanent(self.name, code, "the reader has left the chat", "unregistered")
        if status == 451:
            return Permanent(self.name, code, "the reader has silenced the bot", "opted_out")
        return Permanent(self.name, code, f"HTTP {code}") if status < 500 else NoAnswer(self.name, f"HTTP {code}")

    async def find(self, message: OutgoingMessage, others: frozenset[str]) -> Accepted | Lookup:
        """The bot knows our ids, so that it can say for sure."""
        try:
            async with self._session.get(f"/messages/{message.message_id}") as response:
                return Accepted(self.name) if response.status == 200 else Lookup(missing=response.status == 404)
        except (TimeoutError, ClientError, OSError):
            return Lookup()

    async def close(self) -> None:
        """Close connections."""
        await self._session.close()

"""Outgoing webhooks, signed by the Standard Webhooks specification 1.0: for the webhook channel and for teams."""

from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    InvalidURL,
    NonHttpUrlClientError,
    TCPConnector,
)
from msgspec import Struct
from standardwebhooks.webhooks import Webhook

from service.keyring import Keyring
from service.webhook_targets import Network, TargetNotAllowed, guarded_sockets

SUCCESS: Final = range(200, 300)
GONE: Final = 410
TOO_MANY: Final = 429
# 4xx statuses that may succeed later: timeout, conflict, too early, too many.
MAY_HEAL: Final = (408, 409, 425, TOO_MANY)
MAX_WAIT_S: Final = 3600.0
NOT_ALLOWED: Final = "not_allowed"


class Posted(Struct, frozen=True):
    """The result of a request. `wait_s`: how long the receiver asked us to wait."""

    outcome: Literal["taken", "later", "refused", "gone"]
    code: str
    wait_s: float = 0.0


def secret_for(keyring: Keyring, url: str) -> str:
    """The signing secret of one receiver: derived, so that it is the same in every process and kept nowhere."""
    return "whsec_" + b64encode(bytes.fromhex(keyring.subkey(f"webhook {url}"))).decode()


class WebhookClient:
    """Posts signed bodies; a receiver tells repeats by `webhook-id`, so repeating is always safe.

    Addresses that are not public are refused when the connection is made, unless a network of `allowed` holds them.
    """

    def __init__(
        self, keyring: Keyring, timeout_s: float, allowed: Sequence[Network] = (), connections: int = 20
    ) -> None:
        self._keyring = keyring
        self._allowed = tuple(allowed)
        self._timeout = ClientTimeout(total=timeout_s)
        self._connections = connections
        self._session: ClientSession | None = None

    async def post(self, url: str, message_id: str, body: str, now: datetime) -> Posted:
        """Sign and post; never raises for what the receiver does."""
        signature = Webhook(secret_for(self._keyring, url)).sign(message_id, now, body)
        headers = {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signature,
        }
        if self._session is None:
            connector = TCPConnector(limit=self._connections, socket_factory=guarded_sockets(self._allowed))
            self._session = ClientSession(connector=connector, cookie_jar=DummyCookieJar())
        try:
            async with self._session.post(
                url, data=body.encode(), headers=headers, timeout=self._timeout, allow_redirects=False
            ) as response:
                return _posted(response.status, response.headers.get("Retry-After", ""))
        except ClientConnectorError as error:
            if isinstance(error.os_error, TargetNotAllowed):
                return Posted("refused", NOT_ALLOWED)
            return Posted("later", type(error).__name__)
        except (InvalidURL, NonHttpUrlClientError) as error:
            # Such as http://2130706433/: no later try makes an address of it.
            return Posted("refused", type(error).__name__)
        except (TimeoutError, ClientError, OSError, ValueError) as error:
            return Posted("later", type(error).__name__)

    async def close(self) -> None:
        """Close connections."""
        if self._session is not None:
            await self._session.close()


def _posted(status: int, retry_after: str) -> Posted:
    code = str(status)
    if status in SUCCESS:
        return Posted("taken", code)
    if status == GONE:
        return Posted("gone", code)
    if status in MAY_HEAL or status >= 500:
        wait = float(retry_after) if retry_after.isdigit() else 0.0
        return Posted("later", code, min(wait, MAX_WAIT_S))
    return Posted("refused", code)

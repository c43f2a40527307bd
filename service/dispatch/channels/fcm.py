"""App push through Firebase Cloud Messaging's HTTP v1 API, with google-auth for its tokens."""

import asyncio
import json
import time
from functools import partial
from pathlib import Path
from typing import Any, Final

import google.auth.exceptions
import google.auth.transport.requests
import msgspec
from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    TCPConnector,
)
from google.oauth2 import service_account

from service.dispatch.channels.port import Outgoing, SendAnswer
from service.dispatch.channels.twilio_provider import CONNECT_TIMEOUT_S, SERVER_ERROR, TOO_MANY, seconds_of
from service.domain.notices import Accepted, Lookup, NoAnswer, Permanent, Transient

SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
# FCM takes up to four weeks; source: FCM, "Set the lifespan of a message".
LONGEST_TTL_S: Final = 2_419_200
TOKEN_TIMEOUT_S: Final = 5.0
OK: Final = 200
UNAUTHORIZED: Final = 401
NOT_FOUND: Final = 404
UNREGISTERED: Final = ("UNREGISTERED", "SENDER_ID_MISMATCH")


class FcmProvider:
    """One Firebase project."""

    name = "fcm"

    def __init__(self, credentials_file: Path, base_url: str, connections: int, timeout_s: float) -> None:
        self._credentials = service_account.Credentials.from_service_account_file(str(credentials_file), scopes=[SCOPE])
        self.sender = str(self._credentials.project_id)
        self._url = f"{base_url}/v1/projects/{self.sender}/messages:send"
        self._timeout_s = timeout_s
        timeout = ClientTimeout(total=timeout_s, sock_connect=min(CONNECT_TIMEOUT_S, timeout_s))
        self._session = ClientSession(connector=TCPConnector(limit=connections, ttl_dns_cache=60), timeout=timeout)
        self._refreshing = asyncio.Lock()

    async def send(self, message: Outgoing) -> SendAnswer:
        """POST messages:send."""
        try:
            token = await self._token()
        except (google.auth.exceptions.GoogleAuthError, OSError, TimeoutError, ValueError) as error:
            return Transient(self.name, "token", f"no access token: {type(error).__name__}")
        try:
            async with self._session.post(
                self._url,
                data=msgspec.json.encode(_payload(message)),
                headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            ) as response:
                return self._answer(response.status, await response.text(), response.headers.get("Retry-After"))
        except (ClientConnectorError, ConnectionTimeoutError) as error:
            return Transient(self.name, "connect", type(error).__name__)
        except (ClientError, OSError, TimeoutError) as error:
            return NoAnswer(self.name, type(error).__name__)

    async def _token(self) -> str:
        async with self._refreshing:
            if not self._credentials.valid:
                # The thread outlives our patience unless the request itself is bounded.
                timeout = min(self._timeout_s, TOKEN_TIMEOUT_S)
                request = partial(google.auth.transport.requests.Request(), timeout=timeout)
                async with asyncio.timeout(self._timeout_s):
                    await asyncio.to_thread(self._credentials.refresh, request)
            return str(self._credentials.token)

    def _answer(self, status: int, text: str, retry_after: str | None) -> SendAnswer:
        body = _json(text)
        if status == OK:
            return Accepted(self.name, str(body.get("name", "")))
        error = body.get("error") if isinstance(body.get("error"), dict) else {}
        code = _fcm_code(error or {}) or str(status)
        if status == TOO_MANY:
            return Transient(self.name, code, "rate limited", seconds_of(retry_after))
        if status == UNAUTHORIZED:
            self._credentials.token = None
            return Transient(self.name, code, "the access token was refused")
        if status >= SERVER_ERROR:
            return NoAnswer(self.name, f"HTTP {status}")
        gone = status == NOT_FOUND or code in UNREGISTERED
        return Permanent(self.name, code, f"FCM {code}", "unregistered" if gone else "refused")

    async def find(self, message: Outgoing, others: frozenset[str]) -> Accepted | Lookup:
        """FCM cannot be asked after a message."""
        return Lookup()

    async def close(self) -> None:
        """Close the HTTP session."""
        await self._session.close()


def _payload(message: Outgoing) -> dict[str, Any]:
    ttl = max(0, min(message.ttl_s, LONGEST_TTL_S))
    return {
        "message": {
            "token": message.address,
            "notification": {"title": message.rendered.title, "body": message.rendered.text},
            "data": message.data,
            "android": {"ttl": f"{ttl}s", "priority": "high"},
            "apns": {"headers": {"apns-expiration": str(int(time.time()) + ttl), "apns-priority": "10"}},
            "webpush": {"headers": {"TTL": str(ttl), "Urgency": "high"}},
        }
    }


def _json(text: str) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _fcm_code(error: dict[str, Any]) -> str:
    details = error.get("details")
    for detail in details if isinstance(details, list) else []:
        if isinstance(detail, dict) and detail.get("errorCode"):
            return str(detail["errorCode"])
    return str(error.get("status") or "")

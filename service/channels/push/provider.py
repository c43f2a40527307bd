"""App push through Firebase Cloud Messaging's HTTP v1 API."""

import time
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import ClientConnectorCertificateError, ClientConnectorError, ClientError, ConnectionTimeoutError

from service.channels.http_answers import HttpRefusal, field_of, json_object, report_unknown_code, seconds_of
from service.channels.http_client import HttpClient
from service.channels.port import OutgoingMessage, SendResult
from service.channels.push.token import NoToken, ServiceAccount, TokenSource
from service.channels.twilio.codes import BAD_REQUEST, kind_of_status
from service.channels.twilio.provider import untrusted
from service.channels.words import cleaned_text
from service.domain.json_object import JsonObject
from service.domain.notices import Accepted, Lookup, NoAnswer, Permanent, Refused, Transient

# FCM's maximum is four weeks; source: FCM, "Set the lifespan of a message".
LONGEST_TTL_S: Final = 2_419_200
OK: Final = 200
UNAUTHORIZED: Final = 401
# FCM's error codes (Firebase, "ErrorCode" of the HTTP v1 API) as provider results. Only the first one says that the
# token is gone; other answers may be about our project, our key, or a proxy in between.
UNREGISTERED: Final = "UNREGISTERED"
_MESSAGE: Final = frozenset({"INVALID_ARGUMENT"})
_LATER: Final = frozenset({"QUOTA_EXCEEDED", "UNAVAILABLE"})
# Errors of some devices only: Apple's, or those with another project's tokens, which tokens do not show.
# Google's text for them is its gateway's ("Expected OAuth 2 access token") and misleads people to check a valid key, so
# we explain the code (FCM's reference, "ErrorCode").
_SOME: Final = {
    "SENDER_ID_MISMATCH": "these devices' tokens belong to another Firebase project than FCM_CREDENTIALS",
    "THIRD_PARTY_AUTH_ERROR": "Apple's key (APNs) or the web push key in the Firebase project is invalid or missing",
}
# Reasons in Google's ErrorInfo by which a 400 is about our key or project, not about the message.
_KEY_REASONS: Final = frozenset(
    {"API_KEY_INVALID", "API_KEY_EXPIRED", "SERVICE_DISABLED", "BILLING_DISABLED", "CONSUMER_INVALID",
     "CONSUMER_SUSPENDED", "USER_PROJECT_DENIED", "ACCOUNT_STATE_INVALID"}
)  # fmt: skip
_UNSURE: Final = frozenset({"INTERNAL", "UNSPECIFIED_ERROR"})


class FcmProvider:
    """One Firebase project."""

    name = "fcm"

    def __init__(self, credentials_file: Path, base_url: str, connections: int, timeout_s: float) -> None:
        account = ServiceAccount.read(credentials_file)
        self.sender = account.project_id
        self._url = f"{base_url}/v1/projects/{self.sender}/messages:send"
        self._http = HttpClient(connections, timeout_s)
        self._headers: tuple[str, dict[str, str]] = ("", {})
        self._tokens = TokenSource(account, timeout_s)

    async def send(self, message: OutgoingMessage) -> SendResult:
        """POST messages:send; once more with a new token if Google rejects the present one."""
        try:
            token = await self._tokens.get()
            answer = await self._post(message, token)
            is_unknown = isinstance(answer, HttpRefusal) and answer.status == UNAUTHORIZED and not _error_code(answer)
            if is_unknown and (another := await self._tokens.get_instead_of(token)):
                answer = await self._post(message, another)
        except NoToken as failed:
            if failed.refused:
                return Refused(self.name, failed.code, failed.words)
            return Transient(self.name, "token", failed.words)
        except ClientConnectorCertificateError as error:
            return untrusted(self.name, error)
        except (ClientConnectorError, ConnectionTimeoutError) as error:
            return Transient(self.name, "connect", type(error).__name__)
        except (ClientError, OSError, TimeoutError, ValueError) as error:
            return NoAnswer(self.name, type(error).__name__)
        return result_of(self.name, answer, message) if isinstance(answer, HttpRefusal) else answer

    async def _post(self, message: OutgoingMessage, token: str) -> Accepted | NoAnswer | HttpRefusal:
        if self._headers[0] != token:
            self._headers = token, {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        answer = await self._http.request("POST", self._url, msgspec.json.encode(payload(message)), self._headers[1])
        body = json_object(answer.text)
        if answer.status != OK or isinstance(body.get("error"), dict):
            status = answer.status if answer.status != OK else _status_within(body["error"])
            return HttpRefusal(status, answer.text, answer.retry_after)
        if not (name := field_of(body, "name")):
            return NoAnswer(self.name, "an answer without the message's name")
        return Accepted(self.name, name)

    async def find(self, message: OutgoingMessage, others: frozenset[str]) -> Accepted | Lookup:
        """FCM messages cannot be looked up."""
        return Lookup()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()


def payload(message: OutgoingMessage) -> JsonObject:
    """The body of messages:send (FCM HTTP v1, `SendMessageRequest`).

    A second attempt replaces the first notification: FCM does not collapse notifications by a key of ours, but devices
    do (`AndroidNotification.tag`, `apns-collapse-id`, RFC 8030 §5.4 for messages that wait for a browser).
    """
    same = message.message_id
    ttl = max(0, min(message.ttl_s, LONGEST_TTL_S))
    return {
        "message": {
            "token": message.address,
            "notification": {"title": message.rendered.title, "body": message.rendered.text},
            "data": message.data,
            "android": {"ttl": f"{ttl}s", "priority": "HIGH", "collapseKey": same, "notification": {"tag": same}},
            "apns": {
                "headers": {
                    "apns-expiration": str(int(time.time()) + ttl),
                    "apns-priority": "10",
                    "apns-collapse-id": same,
                }
            },
            "webpush": {
                "headers": {"TTL": str(ttl), "Urgency": "high", "Topic": same.replace("-", "")},
                "notification": {"tag": same},
            },
        }
    }


def result_of(provider: str, no: HttpRefusal, message: OutgoingMessage | None = None) -> SendResult:
    """FCM's refusal as a provider result: by the `errorCode` in its details, else by HTTP status."""
    error = no.json.get("error")
    error = error if isinstance(error, dict) else {}
    error_code = _error_code(no)
    # The status alone names the same errors, but other services of Google use it too.
    status = field_of(error, "status")
    code = error_code or status or str(no.status)
    words = cleaned_text(field_of(error, "message") or ("" if error else no.text), message)
    in_words = f"FCM {code}: {words}" if words else f"FCM {code}"
    if error_code == UNREGISTERED:
        return Permanent(provider, code, in_words, "unregistered")
    if error_code in _SOME:
        return Refused(provider, code, f"{_SOME[error_code]} ({words or in_words})", "address")
    reason = _detail(no, "reason")
    if reason in _KEY_REASONS:
        return Refused(provider, reason, words or in_words)
    if code in _MESSAGE:
        return Permanent(provider, code, in_words)
    by_status = kind_of_status(no.status, foreign=bool(no.text.strip()) and not error)
    kind = "later" if error_code in _LATER or (status == "UNAVAILABLE" and error) else by_status
    if error_code and error_code not in _LATER | _UNSURE:
        report_unknown_code(provider, error_code, no.status, kind)
    if kind == "later" or (kind == "unsure" and no.retry_after is not None and error_code not in _UNSURE):
        return Transient(provider, code, in_words, seconds_of(no.retry_after), pause=no.retry_after is not None)
    if kind == "us":
        return Refused(provider, code, words or in_words)
    return NoAnswer(provider, in_words) if kind == "unsure" else Permanent(provider, code, in_words)


def _status_within(error: JsonObject) -> int:
    """The HTTP status in an error object that came with a success status."""
    status = error.get("code")
    return status if isinstance(status, int) and status in range(BAD_REQUEST, 600) else BAD_REQUEST


def _error_code(no: HttpRefusal) -> str:
    return _detail(no, "errorCode")


def _detail(no: HttpRefusal, name: str) -> str:
    """A field of the error's details: FCM's `errorCode`, or `reason` of Google's ErrorInfo."""
    error = no.json.get("error")
    details = error.get("details") if isinstance(error, dict) else None
    for detail in details if isinstance(details, list) else []:
        if isinstance(detail, dict) and (code := field_of(detail, name)):
            return code
    return ""

"""From a message, however it is dressed, to an Event: structured or binary mode, sealed or plain."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BinasciiError
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from service.domain.errors import Rejection
from service.domain.events import MAX_BODY_BYTES, Event, decode
from service.keyring import Keyring, Label, SealBroken

STRUCTURED: Final = "application/cloudevents+json"
JSON_TYPES: Final = ("application/json", STRUCTURED)
# AMQP binding of CloudEvents 1.0, §3.1; `ce-` and `ce_` are what HTTP bridges leave behind.
BINARY_PREFIXES: Final = ("cloudevents:", "cloudevents_", "ce-", "ce_")
SEALED: Final = "sealed"
LETTER: Final = Label("letter")
_SHOWN: Final = ("workflow", "status")
_ENVELOPE_ONLY: Final = ("data", "data_base64")
_SUSPECT: Final = (b"secret", b"recipient", b"phone", b"email", b"otp", b"assignee")


class Incoming(Struct, frozen=True):
    """A message before it is understood. `redelivered`: the broker handed it out before."""

    body: bytes
    content_type: str | None = None
    content_encoding: str | None = None
    headers: Mapping[str, Any] = {}
    routing_key: str = ""
    message_id: str = ""
    redelivered: bool = False


def read(incoming: Incoming, keyring: Keyring) -> Event:
    """The event in `incoming`; raises Rejection in words for its publisher."""
    if len(incoming.body) > MAX_BODY_BYTES:
        raise Rejection(f"the event is {len(incoming.body)} bytes; at most {MAX_BODY_BYTES} are taken")
    if incoming.content_encoding not in (None, "", "utf-8", "UTF-8", "identity"):
        raise Rejection(f"content encoding {incoming.content_encoding!r:.40} is not taken; send plain JSON")
    media_type = (incoming.content_type or "").partition(";")[0].strip().lower()
    attributes = _binary_attributes(incoming.headers)
    if media_type != STRUCTURED and "specversion" in attributes:
        if media_type and media_type not in JSON_TYPES and not media_type.endswith("+json"):
            raise Rejection(f"content type {media_type!r:.80}: the data of an event must be application/json")
        body = _structured(attributes, incoming.body)
    elif media_type in ("", *JSON_TYPES):
        body = incoming.body
    else:
        raise Rejection(
            f"content type {media_type!r:.80} is not taken; send {STRUCTURED}, or application/json with"
            " the CloudEvents attributes as headers"
        )
    if b'"sealed"' in body:
        body = _unsealed(body, keyring)
    event = decode(body)
    traceparent = incoming.headers.get("traceparent")
    if event.traceparent is None and isinstance(traceparent, str):
        event = msgspec.structs.replace(event, traceparent=traceparent[:100])
    return event


def _binary_attributes(headers: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in headers.items():
        lowered = key.lower()
        for prefix in BINARY_PREFIXES:
            if lowered.startswith(prefix):
                found[lowered.removeprefix(prefix)] = value
    return found


def _structured(attributes: Mapping[str, Any], data: bytes) -> bytes:
    plain = {k: v if isinstance(v, str) else str(v) for k, v in attributes.items() if k not in _ENVELOPE_ONLY}
    try:
        return msgspec.json.encode({**plain, "data": msgspec.Raw(data or b"null")})
    except (UnicodeEncodeError, ValueError) as error:
        raise Rejection(f"the CloudEvents headers are not text: {error}") from None


def _unsealed(body: bytes, keyring: Keyring) -> bytes:
    """A dead letter that is tried again carries its data sealed."""
    try:
        document = msgspec.json.decode(body)
        data = document["data"]
        sealed = data[SEALED]
        if not isinstance(sealed, str):
            return body
        plain = keyring.unseal(urlsafe_b64decode(sealed), LETTER.of())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError):
        return body
    except (SealBroken, BinasciiError, ValueError):
        raise Rejection("data.sealed: was not sealed with this installation's SECRET_KEY") from None
    document["data"] = msgspec.Raw(plain)
    return msgspec.json.encode(document)


def sealed_body(incoming: Incoming, keyring: Keyring) -> bytes:
    """The body as a dead letter may keep it: readable where it says what failed, sealed where it is personal."""
    try:
        document = msgspec.json.decode(incoming.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        lowered = incoming.body.lower()
        if any(word in lowered for word in _SUSPECT):
            return msgspec.json.encode({SEALED: _seal(keyring, incoming.body)})
        return incoming.body
    binary = "specversion" in _binary_attributes(incoming.headers)
    if binary:
        return msgspec.json.encode(_sealed_data(document, incoming.body, keyring))
    if not isinstance(document, dict):
        return msgspec.json.encode({SEALED: _seal(keyring, incoming.body)})
    if "data" not in document:
        extra = {k: v for k, v in document.items() if isinstance(v, str) and k in _ENVELOPE_NAMES}
        return msgspec.json.encode({**extra, SEALED: _seal(keyring, incoming.body)})
    kept = {k: v for k, v in document.items() if k in _ENVELOPE_NAMES}
    raw = msgspec.json.encode(document["data"])
    return msgspec.json.encode({**kept, "data": _sealed_data(document["data"], raw, keyring)})


_ENVELOPE_NAMES: Final = (
    "specversion", "id", "source", "type", "subject", "time", "datacontenttype", "traceparent",
)  # fmt: skip


def _sealed_data(data: Any, raw: bytes, keyring: Keyring) -> dict[str, Any]:
    if isinstance(data, dict) and isinstance(data.get(SEALED), str):
        return data
    shown = {k: data[k] for k in _SHOWN if isinstance(data, dict) and isinstance(data.get(k), str)}
    return {**shown, SEALED: _seal(keyring, raw)}


def _seal(keyring: Keyring, plain: bytes) -> str:
    return urlsafe_b64encode(keyring.seal_in_transit(plain, LETTER.of())).decode()


def opened_body(body: bytes, keyring: Keyring) -> bytes:
    """A dead letter's body as it was published, for those who may see it."""
    try:
        document = msgspec.json.decode(body)
        if isinstance(document, dict) and isinstance(document.get(SEALED), str):
            return keyring.unseal(urlsafe_b64decode(document[SEALED]), LETTER.of())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, SealBroken, ValueError):
        return body
    return _unsealed(body, keyring)

"""From a message, however it is dressed, to an Event: structured or binary mode, sealed or plain."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BinasciiError
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from service.domain.errors import Rejection
from service.domain.events import MAX_BODY_BYTES, Event, decode
from service.intake.cloudevents import as_structured, attributes_of
from service.keyring import Keyring, Label, SealBroken

SEALED: Final = "sealed"
LETTER: Final = Label("letter")
_SHOWN: Final = ("workflow", "status")
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
    body = as_structured(incoming.body, incoming.content_type, incoming.content_encoding, incoming.headers)
    if b'"sealed"' in body:
        body = _unsealed(body, keyring)
    event = decode(body)
    traceparent = incoming.headers.get("traceparent")
    if event.traceparent is None and isinstance(traceparent, str):
        event = msgspec.structs.replace(event, traceparent=traceparent[:100])
    return event


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
    binary = "specversion" in attributes_of(incoming.headers)
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

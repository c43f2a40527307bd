"""Dead letters as they are kept: readable where they say what failed, sealed whole, and handed back in only by us.

The sealed part is the message as it came: body, headers with their types, content type and encoding. It is bound to
the id and subject that the letter shows. A replay is the same under a label of its own, so that a letter taken from
the queue of dead letters is no replay; and it is a media type that the HTTP API does not take.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BinasciiError
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from service.domain.errors import Rejection
from service.domain.json_object import JsonObject
from service.domain.quoting import is_moment, is_reference, quoted
from service.intake.cloudevents import attributes_of
from service.intake.decoding import SEALED, Incoming
from service.keyring import Keyring, Label, Place, SealBroken

LETTER: Final = Label("letter")
REPLAY: Final = Label("replay")
REPLAY_TYPE: Final = "application/vnd.stagebell.replay"
_IDENTITY: Final = ("id", "source", "subject", "type", "specversion", "datacontenttype")
_NAMES: Final = ("workflow", "status")


class _Original(Struct, array_like=True, frozen=True):
    body: bytes
    content_type: str | None
    content_encoding: str | None
    message_id: str
    headers: JsonObject


_encoder: Final = msgspec.msgpack.Encoder(enc_hook=str)
_decoder: Final = msgspec.msgpack.Decoder(_Original)


def sealed_dead_letter(incoming: Incoming, keyring: Keyring, label: Label = LETTER) -> bytes:
    """The body under which a refused message is kept."""
    readable = _shown(incoming)
    original = _Original(
        incoming.body, incoming.content_type, incoming.content_encoding, incoming.message_id, dict(incoming.headers)
    )
    sealed = keyring.seal_in_transit(_encoder.encode(original), _place(label, readable))
    data = readable.pop("data") | {SEALED: urlsafe_b64encode(sealed).decode()}
    return msgspec.json.encode({**readable, "data": data})


def opened_dead_letter(incoming: Incoming, keyring: Keyring) -> Incoming:
    """The message that a letter holds; one that is not of ours, such as the broker's own, is as it came."""
    document = _document(incoming.body)
    sealed = _sealed_in(document)
    if sealed is None:
        return incoming
    try:
        return _original(incoming, keyring.unseal_bound(sealed, _place(LETTER, document)))
    except SealBroken:
        return _opened_unbound(incoming, document, sealed, keyring)


def replay_opened(incoming: Incoming, keyring: Keyring) -> Incoming:
    """What our own replay hands in again; any other message is as it came. Raises Rejection for a forged one."""
    if incoming.content_type != REPLAY_TYPE:
        return incoming
    document = _document(incoming.body)
    sealed = _sealed_in(document)
    try:
        if sealed is None:
            raise SealBroken("nothing sealed")
        return _original(incoming, keyring.unseal_bound(sealed, _place(REPLAY, document)))
    except SealBroken:
        raise Rejection(
            "only Stagebell's own replay may hand in what is sealed, and this is none of this installation's"
        ) from None


def _original(incoming: Incoming, plain: bytes) -> Incoming:
    try:
        o = _decoder.decode(plain)
    except msgspec.DecodeError:
        raise SealBroken("not a message") from None
    return msgspec.structs.replace(
        incoming,
        body=o.body,
        content_type=o.content_type,
        content_encoding=o.content_encoding,
        message_id=o.message_id,
        headers=o.headers,
    )


def _opened_unbound(incoming: Incoming, document: JsonObject, sealed: bytes, keyring: Keyring) -> Incoming:
    """A letter of an earlier release, which sealed the data alone: it would open under another order's envelope too.

    So it comes without its codes, which nobody waits for any more: whoever can write to the queue could have moved it.
    """
    try:
        plain = keyring.unseal_unbound(sealed)
    except SealBroken:
        return incoming
    if SEALED in document:
        return msgspec.structs.replace(incoming, body=plain)
    data = {k: v for k, v in _document(plain).items() if k != "secrets"}
    return msgspec.structs.replace(incoming, body=msgspec.json.encode({**document, "data": data}))


def _place(label: Label, readable: Mapping[str, Any]) -> Place:
    return label.of(str(readable.get("id", "")), str(readable.get("subject", "")))


def _document(body: bytes) -> JsonObject:
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _sealed_in(document: Mapping[str, Any]) -> bytes | None:
    data = document.get("data")
    text = data.get(SEALED) if isinstance(data, dict) else document.get(SEALED)
    try:
        return urlsafe_b64decode(text) if isinstance(text, str) else None
    except (BinasciiError, ValueError):
        return None


def _shown(incoming: Incoming) -> JsonObject:
    """What may stand in clear: the envelope, workflow and status, each only in a form that says nothing personal."""
    document = _document(incoming.body)
    attributes = attributes_of(incoming.headers)
    envelope, data = (attributes, document) if "specversion" in attributes else (document, document.get("data"))
    readable: JsonObject = {k: v for k in _IDENTITY if isinstance(v := envelope.get(k), str) and is_reference(v)}
    if isinstance(time := envelope.get("time"), str) and is_moment(time):
        readable["time"] = time
    names = data if isinstance(data, dict) else {}
    return {**readable, "data": {k: v for k in _NAMES if isinstance(v := names.get(k), str) and quoted(v) == repr(v)}}

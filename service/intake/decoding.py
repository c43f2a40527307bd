"""From a message, however it is dressed, to an Event: structured or binary mode."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Struct

from service.domain.errors import Rejection
from service.domain.event_decoding import data_of, decode
from service.domain.events import MAX_BODY_BYTES, Event
from service.domain.json_object import JsonObject
from service.domain.order import OrderRef
from service.domain.scopes import EVERYTHING, Scope
from service.intake.cloudevents import as_structured

SEALED: Final = "sealed"


class RowEdit(Struct, frozen=True):
    """What a row of a list is to say; None: it is to be gone."""

    list: str
    row_id: UUID
    values: JsonObject | None


class Acted(Struct, frozen=True):
    """Of an event that somebody made here, by hand. `version`: how long the order's timeline was when they looked.

    Without one it does not matter what happened since. `edits`: of rows, which no event carries.
    """

    version: int | None
    edits: tuple[RowEdit, ...] = ()


class Incoming(Struct, frozen=True):
    """A message before it is understood. `redelivered`: the broker handed it out before; `acted`: it is an act.

    `scope`: of which orders its sender may tell.
    """

    body: bytes
    content_type: str | None = None
    content_encoding: str | None = None
    headers: Mapping[str, Any] = {}
    routing_key: str = ""
    message_id: str = ""
    redelivered: bool = False
    acted: Acted | None = None
    scope: Scope = EVERYTHING


class Standing(Struct, frozen=True):
    """What decides when an event's turn is: its order, its source, and whether it carries a code."""

    ref: OrderRef
    source: str
    is_code: bool


class _Envelope(Struct, frozen=True):
    source: str
    subject: str
    data: msgspec.Raw = msgspec.Raw()
    data_base64: bytes | None = None


class _Data(Struct, frozen=True):
    workflow: str
    secrets: dict[str, msgspec.Raw] = {}


_envelope_decoder: Final = msgspec.json.Decoder(_Envelope)
_data_decoder: Final = msgspec.json.Decoder(_Data)


def standing(incoming: Incoming) -> Standing | None:
    """Of any event that `read` reads, and perhaps of one that it does not; a twentieth of what reading it all costs."""
    try:
        envelope = _envelope_decoder.decode(_document(incoming))
        data = _data_decoder.decode(data_of(envelope.data, envelope.data_base64))
    except (Rejection, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return Standing(OrderRef(data.workflow, envelope.subject), envelope.source, bool(data.secrets))


def _document(incoming: Incoming) -> bytes:
    if len(incoming.body) > MAX_BODY_BYTES:
        raise Rejection(f"the event is {len(incoming.body)} bytes; at most {MAX_BODY_BYTES} are taken")
    return as_structured(incoming.body, incoming.content_type, incoming.content_encoding, incoming.headers)


def read(incoming: Incoming) -> Event:
    """The event in `incoming`; raises Rejection in words for its publisher."""
    body = _document(incoming)
    if b'"sealed"' in body:
        _refuse_sealed(body)
    event = decode(body)
    traceparent = incoming.headers.get("traceparent")
    if event.traceparent is None and isinstance(traceparent, str):
        event = msgspec.structs.replace(event, traceparent=traceparent[:100])
    return event


def _refuse_sealed(body: bytes) -> None:
    """What is sealed comes in by our own replay only, never from a publisher."""
    try:
        data = msgspec.json.decode(body)["data"]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError):
        return
    if isinstance(data, dict) and SEALED in data:
        raise Rejection("data.sealed: is not taken from publishers; send the data itself, or replay the dead letter")

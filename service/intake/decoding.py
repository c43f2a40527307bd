"""From a message, however it is dressed, to an Event: structured or binary mode."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Struct

from service.domain.errors import Rejection
from service.domain.events import MAX_BODY_BYTES, Event, decode
from service.domain.json_object import JsonObject
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


def read(incoming: Incoming) -> Event:
    """The event in `incoming`; raises Rejection in words for its publisher."""
    if len(incoming.body) > MAX_BODY_BYTES:
        raise Rejection(f"the event is {len(incoming.body)} bytes; at most {MAX_BODY_BYTES} are taken")
    body = as_structured(incoming.body, incoming.content_type, incoming.content_encoding, incoming.headers)
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

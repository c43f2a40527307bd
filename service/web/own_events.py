"""Acts of people as events from us: in the same envelope as those of publishers."""

from uuid import uuid4

import msgspec
from aiohttp import web

from service.domain.events import EventType
from service.domain.json_object import JsonObject
from service.domain.order import OrderRef
from service.web.context import CONTEXT


def event_by(
    request: web.Request, ref: OrderRef, kind: EventType, data: JsonObject, source: str, event_id: str = ""
) -> bytes:
    """An act on an order as an event; `data` names the actor. `event_id`: the id to use, where there is one."""
    event: JsonObject = {
        "specversion": "1.0",
        "id": event_id or str(uuid4()),
        "source": source,
        "type": kind,
        "subject": ref.reference,
        "time": request.app[CONTEXT].orders.time.now(),
        "datacontenttype": "application/json",
        "data": data,
    }
    return msgspec.json.encode(event)

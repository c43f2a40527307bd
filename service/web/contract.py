"""The contract as machines read it, made from the types that decode: JSON Schemas and AsyncAPI 3."""

from functools import lru_cache
from typing import Any, Final

import msgspec
from aiohttp import web

from service import __version__
from service.broker import port
from service.domain.events import DATA_TYPES

SCHEMA_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


@lru_cache(maxsize=1)
def components() -> dict[str, Any]:
    """JSON Schemas of every type in the contract, by name."""
    _, found = msgspec.json.schema_components(list(DATA_TYPES.values()), ref_template="#/components/schemas/{name}")
    for name, data in DATA_TYPES.items():
        found[envelope_name(name)] = _envelope(name, data.__name__)
    return found


def envelope_name(event_type: str) -> str:
    """`order.status_changed` → `OrderStatusChanged`."""
    return "".join(word.capitalize() for word in event_type.replace(".", "_").split("_"))


def _envelope(event_type: str, data: str) -> dict[str, Any]:
    text = {"type": "string", "minLength": 1, "maxLength": 200}
    return {
        "type": "object",
        "title": envelope_name(event_type),
        "required": ["specversion", "id", "source", "type", "subject", "time", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {**text, "description": "with `source`, the event's identity"},
            "source": text,
            "type": {"const": event_type},
            "subject": {**text, "description": "the order id"},
            "time": {"type": "string", "format": "date-time", "description": "when it happened"},
            "datacontenttype": {"type": "string", "default": "application/json"},
            "traceparent": {"type": "string"},
            "data": {"$ref": f"#/components/schemas/{data}"},
        },
    }


def json_schema(event_type: str) -> dict[str, Any]:
    """One event type as a JSON Schema that stands alone."""
    _, found = msgspec.json.schema_components([DATA_TYPES[event_type]], ref_template="#/$defs/{name}")
    envelope = _envelope(event_type, DATA_TYPES[event_type].__name__)
    envelope["properties"]["data"] = {"$ref": f"#/$defs/{DATA_TYPES[event_type].__name__}"}
    return {"$schema": SCHEMA_DIALECT, **envelope, "$defs": found}


def asyncapi(public_url: str) -> dict[str, Any]:
    """The AsyncAPI 3 document."""
    events = {envelope_name(t): t for t in DATA_TYPES}
    outgoing = {
        "Escalation": {"name": "escalation", "contentType": "application/cloudevents+json", "payload": _out(
            "escalation.(opened|acknowledged|reminded|resolved)",
            ["workflow", "order_id", "escalation_id", "team", "reason", "severity", "level"])},
        "NotificationOutcome": {"name": "notification", "contentType": "application/cloudevents+json", "payload": _out(
            "notification.[a-z]+", ["workflow", "order_id", "notification_id", "notice", "channel", "state"])},
    }  # fmt: skip
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Stagebell", "version": __version__, "description": "Events in; escalations, outcomes out."},
        "defaultContentType": "application/json",
        "servers": {"rabbitmq": {"host": "localhost:5672", "protocol": "amqp", "description": f"beside {public_url}"}},
        "channels": {
            "orders": _channel(port.ORDERS, "order.#", events),
            "escalations": _channel(port.ESCALATIONS, "escalation.{team}.{reason}", ["Escalation"], ("team", "reason")),
            "notifications": _channel(
                port.NOTIFICATIONS, "notification.{state}.{channel}", ["NotificationOutcome"], ("state", "channel")
            ),
        },
        "operations": {
            "takeEvents": {"action": "receive", "channel": {"$ref": "#/channels/orders"}},
            "publishEscalations": {"action": "send", "channel": {"$ref": "#/channels/escalations"}},
            "publishOutcomes": {"action": "send", "channel": {"$ref": "#/channels/notifications"}},
        },
        "components": {
            "schemas": components(),
            "messages": {
                **{
                    name: {
                        "name": event_type,
                        "contentType": "application/cloudevents+json",
                        "payload": {"$ref": f"#/components/schemas/{name}"},
                    }
                    for name, event_type in events.items()
                },
                **outgoing,
            },
        },
    }  # fmt: skip


def _channel(exchange: str, address: str, messages: Any, parameters: tuple[str, ...] = ()) -> dict[str, Any]:
    channel: dict[str, Any] = {
        "address": address,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {"amqp": {"is": "routingKey", "exchange": {"name": exchange, "type": "topic", "durable": True}}},
    }
    if parameters:
        channel["parameters"] = {name: {"description": f"the {name}"} for name in parameters}
    return channel


def _out(type_pattern: str, fields: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["specversion", "id", "source", "type", "subject", "time", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string"},
            "source": {"type": "string"},
            "type": {"type": "string", "pattern": f"^{type_pattern}$"},
            "subject": {"type": "string"},
            "time": {"type": "string", "format": "date-time"},
            "data": {"type": "object", "required": fields},
        },
    }


async def get_asyncapi(request: web.Request) -> web.StreamResponse:
    """`/asyncapi.json`."""
    return web.json_response(asyncapi(str(request.url.origin())))


async def get_schema(request: web.Request) -> web.StreamResponse:
    """`/schemas/{type}.json`: one event type."""
    event_type = request.match_info["type"]
    if event_type not in DATA_TYPES:
        raise web.HTTPNotFound
    return web.json_response(json_schema(event_type))

"""The event contract in machine-readable form, built from the types that decode events: JSON Schemas and AsyncAPI 3."""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec
from aiohttp import web
from msgspec import Struct

from service import __version__
from service.broker import port
from service.domain.attributes import WORDS, Attribute, AttributeType
from service.domain.events import DATA_TYPES
from service.domain.json_object import JsonObject
from service.domain.workflow import Workflow
from service.events_out import ClockEventData, CloudEvent, EscalationData, MessageData, ReplyData
from service.web.context import CONTEXT
from service.web.type_schemas import schemas_of

SCHEMA_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


class OpenApi(Struct, frozen=True):
    """Builds the OpenAPI document for a public address; provided by the application, which has the routes."""

    document: Callable[[str], JsonObject]


OPENAPI: Final = web.AppKey("openapi", OpenApi)


@lru_cache(maxsize=1)
def components() -> JsonObject:
    """JSON Schemas of every type in the contract, by name."""
    found = schemas_of(DATA_TYPES.values(), "#/components/schemas/{name}")
    for name, data in DATA_TYPES.items():
        found[envelope_name(name)] = _envelope(name, data.__name__)
    return found


@lru_cache(maxsize=1)
def events_out_schemas() -> dict[str, JsonObject]:
    """The self-contained schema of each outgoing event, by name."""
    made = {}
    for name, event in (
        ("Escalation", CloudEvent[EscalationData]),
        ("NotificationOutcome", CloudEvent[MessageData]),
        ("CustomerReplied", CloudEvent[ReplyData]),
        ("ClockEvent", CloudEvent[ClockEventData]),
    ):
        made[name] = msgspec.json.schema(event)
    return made


def envelope_name(event_type: str) -> str:
    """`order.status_changed` → `OrderStatusChanged`."""
    return "".join(word.capitalize() for word in event_type.replace(".", "_").split("_"))


def _envelope(event_type: str, data: str) -> JsonObject:
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


def json_schema(event_type: str) -> JsonObject:
    """One event type as a self-contained JSON Schema."""
    found = schemas_of([DATA_TYPES[event_type]], "#/$defs/{name}")
    envelope = _envelope(event_type, DATA_TYPES[event_type].__name__)
    envelope["properties"]["data"] = {"$ref": f"#/$defs/{DATA_TYPES[event_type].__name__}"}
    return {"$schema": SCHEMA_DIALECT, **envelope, "$defs": found}


_ATTRIBUTES: Final[Mapping[AttributeType, JsonObject]] = {
    "text": {"type": "string"},
    "number": {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^\s*-?\d{1,30}(\.\d{1,30})?\s*$"}]},
    "money": {
        "type": "object",
        "required": ["amount", "currency"],
        "properties": {"currency": {"type": "string", "pattern": "^[A-Z]{3}$"}},
    },
    "boolean": {"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": "^(?i:true|false)$"}]},
    "date": {"type": "string", "description": WORDS["date"]},
    "datetime": {"type": "string", "description": WORDS["datetime"]},
    "list": {"type": "array"},
    "any": {},
}


def pack_schema(workflow: Workflow) -> JsonObject:
    """The schema of the data of a workflow's events: its statuses, reasons and typed attributes."""
    attributes = {a.name: _attribute(a) for a in workflow.attributes.values()}
    return {
        "type": "object",
        "title": workflow.title,
        "required": ["workflow"],
        "properties": {
            "workflow": {"const": workflow.name},
            "status": {"enum": sorted(workflow.statuses)},
            "issue": {"type": "object", "properties": {"reason": {"enum": sorted(workflow.reasons)}}},
            "attributes": {"type": "object", "properties": attributes},
        },
    }


def _attribute(attribute: Attribute) -> JsonObject:
    """The schema of an attribute; null, which clears it, is always allowed."""
    schema: JsonObject = dict(_ATTRIBUTES[attribute.type])
    if schema:
        schema = {"anyOf": [schema, {"type": "null"}]}
    title = next(iter(attribute.titles.values()), "")
    return {**schema, **({"title": title} if title else {})}


def pack_json_schema(workflow: Workflow) -> JsonObject:
    """All events about a workflow's orders, as one self-contained JSON Schema."""
    found = schemas_of(DATA_TYPES.values(), "#/$defs/{name}")
    events = []
    for event_type, data in DATA_TYPES.items():
        envelope = _envelope(event_type, data.__name__)
        envelope["properties"]["data"] = {
            "allOf": [{"$ref": f"#/$defs/{data.__name__}"}, {"$ref": f"#/$defs/{workflow.name}"}]
        }
        events.append(envelope)
    definitions = {**found, workflow.name: pack_schema(workflow)}
    return {"$schema": SCHEMA_DIALECT, "title": workflow.title, "oneOf": events, "$defs": definitions}


def asyncapi(public_url: str, workflows: Iterable[Workflow] = ()) -> JsonObject:
    """The AsyncAPI 3 document."""
    packs = {f"pack.{w.name}": pack_schema(w) for w in workflows}
    by_pack = [{"properties": {"data": {"$ref": f"#/components/schemas/{name}"}}} for name in packs]
    any_pack = [{"anyOf": by_pack}] if by_pack else []
    events = {envelope_name(t): t for t in DATA_TYPES}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Stagebell", "version": __version__, "description": "Events in; escalations, outcomes out."},
        "defaultContentType": "application/json",
        "servers": {"rabbitmq": {"host": "localhost:5672", "protocol": "amqp", "description": f"beside {public_url}"}},
        "channels": _channels(events),
        "operations": _OPERATIONS,
        "components": {"schemas": {**components(), **packs}, "messages": _messages(events, any_pack)},
    }


_OPERATIONS: Final = {
    name: {"action": action, "channel": {"$ref": f"#/channels/{channel}"}}
    for name, action, channel in (
        ("takeEvents", "receive", "orders"),
        ("publishEscalations", "send", "escalations"),
        ("publishOutcomes", "send", "notifications"),
        ("publishReplies", "send", "replies"),
        ("publishClockEvents", "send", "clocks"),
        ("publishActs", "send", "acts"),
    )
}


def _channels(events: Iterable[str]) -> JsonObject:
    """The exchanges, with the routing keys and messages of each; `events`: the names of incoming events."""
    return {
        "orders": _channel(port.ORDERS, "order.#", events),
        "escalations": _channel(port.ESCALATIONS, "escalation.{team}.{reason}", ["Escalation"], ("team", "reason")),
        "notifications": _channel(
            port.NOTIFICATIONS, "notification.{state}.{channel}", ["NotificationOutcome"], ("state", "channel")
        ),
        "replies": _channel(port.REPLIES, "reply.{workflow}.{reply}", ["CustomerReplied"], ("workflow", "reply")),
        "clocks": _channel(port.CLOCKS, "clock.{workflow}.{clock}", ["ClockEvent"], ("workflow", "clock")),
        "acts": _channel(port.ACTS, "{type}", events, ("type",)),
    }


def _messages(events: Mapping[str, str], any_pack: list[JsonObject]) -> JsonObject:
    """Of events in, by name and type, each with what packs demand of its data; then those that are published."""
    media = "application/cloudevents+json"
    incoming = {
        name: {
            "name": event_type,
            "contentType": media,
            "payload": {"allOf": [{"$ref": f"#/components/schemas/{name}"}, *any_pack]},
        }
        for name, event_type in events.items()
    }
    outgoing = {
        name: {"name": name, "contentType": media, "payload": out} for name, out in events_out_schemas().items()
    }
    return incoming | outgoing


def _channel(exchange: str, address: str, messages: Any, parameters: tuple[str, ...] = ()) -> JsonObject:
    channel: JsonObject = {
        "address": address,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {"amqp": {"is": "routingKey", "exchange": {"name": exchange, "type": "topic", "durable": True}}},
    }
    if parameters:
        channel["parameters"] = {name: {"description": f"the {name}"} for name in parameters}
    return channel


async def get_openapi(request: web.Request) -> web.StreamResponse:
    """`/openapi.json`."""
    return web.json_response(request.app[OPENAPI].document(request.app[CONTEXT].settings.public_url))


async def get_asyncapi(request: web.Request) -> web.StreamResponse:
    """`/asyncapi.json`."""
    workflows = [pack.workflow for pack in request.app[CONTEXT].orders.packs]
    return web.json_response(asyncapi(str(request.url.origin()), workflows))


async def get_schema(request: web.Request) -> web.StreamResponse:
    """`/schemas/{type}.json`: one event type, or all events about one workflow's orders."""
    name = request.match_info["type"]
    if name in DATA_TYPES:
        return web.json_response(json_schema(name))
    pack = request.app[CONTEXT].orders.packs.find(name)
    if pack is None:
        raise web.HTTPNotFound
    return web.json_response(pack_json_schema(pack.workflow))

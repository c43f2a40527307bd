"""`/openapi.json`: OpenAPI 3.1, made from the table of routes and the types that handlers take and answer."""

import re
from collections.abc import Iterable
from functools import lru_cache
from inspect import getdoc
from typing import Any, Final

import msgspec
from aiohttp import web

from service import __version__
from service.domain.events import DATA_TYPES
from service.web.contract import components as event_components
from service.web.contract import envelope_name
from service.web.once import HEADER, LONGEST_KEY, REPLAYED
from service.web.routes import API, OPERATIONS, Route
from service.web.shapes import ProblemDetails

PROBLEM: Final = "application/problem+json"
_REF: Final = "#/components/schemas/{name}"
_REFUSALS: Final = {
    "400": "not readable",
    "401": "not signed in",
    "403": "not allowed",
    "404": "no such thing",
    "409": "not possible any more",
    "413": "too large",
    "415": "a media type that is not taken",
    "422": "understood, and not accepted: `detail` says why",
    "429": "too many requests",
    "503": "a part of the service is away; try again",
}
_ONCE: Final = {
    "name": HEADER, "in": "header", "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY},
    "description": "the act counts once under this key, for 24 h: the same request gets the same answer "
    f"(`{REPLAYED}: true`), another one 422, and 409 while the first is under way",
}  # fmt: skip
_OPEN: Final = ("/healthz", "/readyz", "/metrics", "/t/{token}.json")


@lru_cache(maxsize=1)
def document() -> dict[str, Any]:
    """The whole document."""
    routes = (*OPERATIONS, *API)
    types = [t for r in routes for t in (r.body, r.answer) if t is not None and t is not dict]
    _, schemas = msgspec.json.schema_components([*dict.fromkeys(types), ProblemDetails], ref_template=_REF)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Stagebell",
            "version": __version__,
            "description": "Tells people what is happening to their order, and the company when it is about to break "
            "its word.",
        },
        "paths": _paths(routes),
        "components": {
            "schemas": {**event_components(), **schemas},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _paths(routes: Iterable[Route]) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return paths


def _operation(route: Route) -> dict[str, Any]:
    role = getattr(route.handler, "needs_role", None)
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"{(\w+)}", route.path)
    ]
    parameters += [
        {"name": name, "in": "query", "description": meaning, "schema": {"type": "string"}}
        for name, meaning in route.query.items()
    ]
    if role and route.method == "POST":
        parameters.append(_ONCE)
    summary = (getdoc(route.handler) or "").partition("\n")[0]
    operation: dict[str, Any] = {"summary": summary, "parameters": parameters, "responses": _responses(route)}
    if role:
        operation["description"] = f"Needs the role `{role}`."
        operation["security"] = [{"key": []}]
        operation["x-role"] = role
    if route.body is dict:
        operation["requestBody"] = _events_body()
    elif route.body is not None:
        content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{route.body.__name__}"}}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _events_body() -> dict[str, Any]:
    one = {"oneOf": [{"$ref": f"#/components/schemas/{envelope_name(t)}"} for t in DATA_TYPES]}
    many = {"type": "array", "items": one, "minItems": 1, "maxItems": 1000}
    return {
        "required": True,
        "content": {
            "application/cloudevents+json": {"schema": one},
            "application/cloudevents-batch+json": {"schema": many},
            "application/json": {"schema": {"oneOf": [one, many]}},
        },
    }


def _responses(route: Route) -> dict[str, Any]:
    problem = {PROBLEM: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}
    found: dict[str, Any] = {code: {"description": why, "content": problem} for code, why in _REFUSALS.items()}
    if route.path in _OPEN:
        found = {
            code: found[code] for code in (("400", "404", "429") if route.path.startswith("/t/") else ("400", "503"))
        }
    good: dict[str, Any] = {"description": "done"}
    if route.answer is not None:
        good["content"] = {route.media: {"schema": {"$ref": f"#/components/schemas/{route.answer.__name__}"}}}
    elif route.status != 204:
        good["content"] = {route.media: {}}
    found[str(route.status)] = good
    if route.path == "/v1/events":
        found["207"] = {**good, "description": "some events were rejected"}
    if route.path.endswith("/notices"):
        found["200"] = {**good, "description": "a preview: nothing was sent"}
    if route.path == "/v1/subscriptions" and route.method == "POST":
        found["202"] = {"description": "sent once, now", "content": {"application/json": {}}}
    if route.path == "/v1/orders":
        good["content"]["text/csv"] = {"schema": {"type": "string"}}
    if route.path == "/readyz":
        found["503"] = {"description": "a part is not ready: it is named", "content": {"application/json": {}}}
    return found


async def get_openapi(request: web.Request) -> web.StreamResponse:
    """`/openapi.json`."""
    return web.json_response(document())

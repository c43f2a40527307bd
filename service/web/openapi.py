"""`/openapi.json`: OpenAPI 3.1, made from the table of routes and the types that handlers take and answer."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from inspect import getdoc
from typing import Any, Final

from service import __version__
from service.domain.events import DATA_TYPES
from service.domain.json_object import JsonObject
from service.web.asyncapi import components as event_components
from service.web.asyncapi import envelope_name
from service.web.auth import CSRF_HEADER
from service.web.once import HEADER, LONGEST_KEY, REPLAYED
from service.web.queries import parameters_of, schema_of
from service.web.route import Answer, Reach, Route
from service.web.routes.table import API, OPERATIONS
from service.web.schemas.problems import ProblemDetails
from service.web.session import COOKIE
from service.web.type_schemas import schemas_of

PROBLEM: Final = "application/problem+json"
_REF: Final = "#/components/schemas/{name}"
_REFUSALS: Final = {
    400: "not readable",
    401: "not signed in",
    403: "not allowed",
    404: "no such thing",
    408: "the body came too slowly",
    409: "not possible any more",
    413: "too large",
    415: "a media type that is not taken",
    422: "understood, and not accepted: `detail` says why",
    429: "too many requests",
    503: "a part of the service is away; try again",
}
_OF_ALL: Final = (400, 415, 503)
_OF_ROLES: Final = (401, 403, 404, 422, 429)
_OF_BODIES: Final = (408, 409, 413)
_TAGS: Final = {
    "events": "What happened to orders, told to Stagebell.",
    "orders": "Orders, what was told about them, and what an agent may do.",
    "escalations": "What a team must look at.",
    "people": "A person's data and orders, for them.",
    "suppressions": "Addresses to which nothing is sent.",
    "subscriptions": "Reports by mail.",
    "metrics": "How well promises are kept.",
    "dead-letters": "Messages that were refused.",
    "audit": "Who saw and did what.",
    "broadcasts": "One notice to all who are affected.",
    "holds": "What is held back from being sent.",
    "messages": "What was sent to whom, and what became of it.",
    "words": "What notices say, in all languages and channels.",
    "word-drafts": "Changes of words: written, approved by somebody else, made live, taken back.",
    "conversations": "Who waits for an answer.",
    "tracking": "What the customer sees.",
    "operations": "For probes and collectors.",
}
_SECURITY: Final = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "an API key, made by `stagebell keys create`; with `--scope` it is limited to workflows "
        "(`workflow:NAME`), teams (`team:finance`) or the orders of a party (`provider:v-9`), and everything else "
        "is not there for it; `x-scopes` of an operation says which limited keys it serves",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": f"the desk's session; what changes something also needs its page's token in {CSRF_HEADER}",
    },
}
_REACH: Final[Mapping[Reach, str]] = {
    "all": "Not for keys that are limited to a part of the orders.",
    "workflows": "Of keys that are limited, it serves those limited to workflows, each with its own.",
    "orders": "Keys that are limited to a part of the orders get theirs.",
    "parties": "Keys that are limited get their orders, and so do the people of a party, whose role is its audience.",
}
_ONCE: Final = {
    "name": HEADER, "in": "header", "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY},
    "description": "the act counts once under this key, for 24 h: the same request gets the same answer "
    f"(`{REPLAYED}: true`), another one 422, and 409 while the first is under way",
}  # fmt: skip
_IN_PATH: Final = {
    "workflow": "a workflow's name",
    "notice": "a notice's name",
    "order_id": "the order's id, as its publisher names it",
    "id": "its id",
    "list": "a list of the workflow",
    "number": "its place in the queue, from 1",
    "address": "a phone number or email address",
    "token": "the signed part of the link",  # nosec B105 - words about it, not one
}


@lru_cache(maxsize=4)
def document(public_url: str = "/") -> JsonObject:
    """The whole document. `public_url`: where callers find the service."""
    routes = (*OPERATIONS, *API)
    answers = [a.type for r in routes for a in r.also.values()]
    types = [t for t in (*(t for r in routes for t in (r.body, r.answer)), *answers) if t not in (None, dict, str)]
    schemas = schemas_of([*dict.fromkeys(types), ProblemDetails], _REF)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Stagebell",
            "version": __version__,
            "description": "Tells people what is happening to their order, and the company when it is about to break "
            "its word.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "contact": {"name": "whoever runs this service"},
        },
        "servers": [{"url": public_url, "description": "this service"}],
        "tags": [{"name": name, "description": words} for name, words in _TAGS.items()],
        "paths": _paths(routes),
        "components": {"schemas": {**event_components(), **schemas}, "securitySchemes": _SECURITY},
    }


def _paths(routes: Iterable[Route]) -> JsonObject:
    paths: JsonObject = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return paths


def _operation(route: Route) -> JsonObject:
    summary, _, more = (getdoc(route.handler) or "").partition("\n")
    access = f"Needs the role `{route.role}`. {_REACH[route.reach]}" if route.role else "Needs no key."
    operation: JsonObject = {
        "operationId": _operation_id(route),
        "tags": [_tag(route)],
        "summary": summary.rstrip("."),
        "description": "\n\n".join(part for part in (summary, more.strip(), access) if part),
        "security": [{name: []} for name in _SECURITY] if route.role else [],
        "parameters": _parameters(route),
        "responses": _responses(route),
    }
    if route.role:
        operation["x-role"] = route.role
        operation["x-scopes"] = route.reach
    if route.body is dict:
        operation["requestBody"] = _events_body()
    elif route.body is not None:
        content = _content(route.body, "application/json")
        for media in route.bodies:
            content |= _content(str, media)
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _operation_id(route: Route) -> str:
    first, *words = route.handler.__name__.split("_")
    return first + "".join(word.capitalize() for word in words)


def _tag(route: Route) -> str:
    first, *parts = route.path.strip("/").split("/")
    return parts[0] if first == "v1" else "tracking" if parts else "operations"


def _parameters(route: Route) -> list[JsonObject]:
    found: list[JsonObject] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _IN_PATH[name],
            "schema": {"type": "string", "minLength": 1},
        }
        for name in route.in_path
    ]
    found += [
        {"name": p.name, "in": "query", "description": p.description, "schema": schema_of(p)}
        for p in parameters_of(route.query)
    ]
    return [*found, _ONCE] if route.role and route.method == "POST" else found


def _events_body() -> JsonObject:
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


def _responses(route: Route) -> JsonObject:
    refused = {status: Answer(_REFUSALS[status], ProblemDetails, PROBLEM) for status in _refusals(route)}
    usual = {} if route.status == 204 else _content(route.answer, route.media)
    found = {str(status): _response(answer) for status, answer in refused.items()}
    for answer in route.forms:
        usual |= _content(answer.type, answer.media)
    found[str(route.status)] = {"description": "done", **({"content": usual} if usual else {})}
    for status, answer in route.also.items():
        made = found.setdefault(str(status), _response(answer))
        made.setdefault("content", {}).update(_content(answer.type, answer.media))
    return dict(sorted(found.items()))


def _refusals(route: Route) -> set[int]:
    found = set(_OF_ALL)
    if route.role:
        found |= {*_OF_ROLES, *(_OF_BODIES if route.method != "GET" else ())}
    elif route.in_path:
        found.add(404)
    return found | {429} if route.guesses else found


def _response(answer: Answer) -> JsonObject:
    return {"description": answer.meaning, "content": _content(answer.type, answer.media)}


def _content(kind: Any, media: str) -> JsonObject:
    if kind is None:
        return {media: {}}
    return {media: {"schema": {"type": "string"} if kind is str else {"$ref": _REF.format(name=kind.__name__)}}}

"""The request formats that providers publish, condensed (`tests/data/provider_requests.json`), to check every request.

`facts_of` extracts them from the published packages, for the long form of the check.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).parents[1] / "data" / "provider_requests.json"
FACTS: Final[dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))
FCM_SCHEMAS: Final = tuple(FACTS["fcm"]["schemas"])
_TYPES: Final[dict[str, type | tuple[type, ...]]] = {
    "string": str, "boolean": bool, "integer": int, "number": (int, float), "array": list, "object": dict,
    "any": object,
}  # fmt: skip


def twilio_problems(form: Mapping[str, str]) -> list[str]:
    """The mistakes in a form that creates a message."""
    fields = FACTS["twilio"]["fields"]
    missing = [f"{name} is missing" for name in FACTS["twilio"]["required"] if name not in form]
    unknown = [f"{name} is not a field" for name in form if name not in fields]
    numbers = {"integer", "number"}
    wrong = [f"{n} is no number" for n, v in form.items() if fields.get(n) in numbers and not v.lstrip("-").isdigit()]
    return [*missing, *unknown, *wrong]


def fcm_problems(body: Mapping[str, Any], schema: str = "SendMessageRequest") -> list[str]:
    """The mistakes in a request that sends a push."""
    fields = FACTS["fcm"]["schemas"].get(schema)
    if fields is None:
        return []
    found: list[str] = []
    for name, value in body.items():
        kind = fields.get(name)
        where = f"{schema}.{name}"
        if kind is None:
            found.append(f"{where} is not a field")
        elif isinstance(kind, list):
            found += [] if value in kind else [f"{where} is none of {', '.join(kind)}"]
        elif isinstance(kind, dict):
            found += [f"{where}.{k} is no {kind['each']}" for k, v in value.items() if not _is(v, kind["each"])]
        elif kind in _TYPES:
            found += [] if _is(value, kind) else [f"{where} is no {kind}"]
        else:
            found += fcm_problems(value, kind)
    return found


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, _TYPES[kind])


def facts_of(openapi: Mapping[str, Any], discovery: Mapping[str, Any]) -> dict[str, Any]:
    """The condensed formats, from Twilio's OpenAPI description and FCM's discovery document."""
    path = openapi["paths"]["/2010-04-01/Accounts/{AccountSid}/Messages.json"]["post"]
    form = path["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
    schemas = {n: {k: _kind(p) for k, p in discovery["schemas"][n]["properties"].items()} for n in FCM_SCHEMAS}
    fields = {name: p.get("type", "string") for name, p in form["properties"].items()}
    return {"required": form["required"], "fields": fields, "schemas": schemas}


def _kind(p: Mapping[str, Any]) -> Any:
    if "$ref" in p or "enum" in p:
        return p.get("$ref") or p["enum"]
    if p.get("type") == "object" and "additionalProperties" in p:
        return {"each": p["additionalProperties"].get("type", "any")}
    return p.get("type", "any")

"""JSON Schemas of handlers' and events' types, in the form that OpenAPI tools accept."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from service.domain.json_object import JsonObject

_NOTHING: Final[JsonObject] = {"not": {}}


def schemas_of(types: Iterable[Any], reference: str) -> JsonObject:
    """By name, the schemas of `types` and of all that they are made of; one names another by `reference` with `{name}`.

    msgspec ends a tuple by `items: false` (JSON Schema 2020-12, Core, §10.3.1.2), which tools that want a schema there
    do not take (Spectral's rule `array-items`). Here each tuple says the same by a schema.
    """
    _, found = msgspec.json.schema_components(list(types), ref_template=reference)
    return {name: _with_items(schema) for name, schema in found.items()}


def _with_items(part: Any) -> Any:
    if isinstance(part, list):
        return [_with_items(p) for p in part]
    if not isinstance(part, dict):
        return part
    made = {key: _with_items(value) for key, value in part.items()}
    if made.get("items") is False and "prefixItems" in made:
        first, *others = made["prefixItems"]
        if all(other == first for other in others):
            del made["prefixItems"]
            made["items"] = first
        else:
            made["items"] = _NOTHING
    return made

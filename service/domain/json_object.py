"""A type for data without a fixed shape, to tell it from data whose shape is known."""

from typing import Any, TypeAlias

# Such as attributes that a pack declares, a JSON Schema or OpenAPI document, another company's API answers.
JsonObject: TypeAlias = dict[str, Any]

"""The name for data that is free by nature, so that it is told from data whose shape nobody wrote down."""

from typing import Any, TypeAlias

# Attributes that a pack declares, a JSON Schema or OpenAPI document, what another company's API answers.
JsonObject: TypeAlias = dict[str, Any]

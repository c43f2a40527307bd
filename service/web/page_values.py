"""The type of what a page's template is given."""

from typing import Any, TypeAlias

# Free by nature: each template uses names of its own.
PageValues: TypeAlias = dict[str, Any]

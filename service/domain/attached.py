"""Descriptions of files that go with a note; their content is stored elsewhere."""

from typing import Annotated, Final

from msgspec import Meta, Struct

MOST_FILES: Final = 10


class Attached(Struct, frozen=True, omit_defaults=True):
    """A file that is stored for the order; an event names it by its `id` alone. `digest`: SHA-256 of its content."""

    id: Annotated[str, Meta(min_length=36, max_length=36)]
    name: Annotated[str, Meta(max_length=200)] = ""
    type: Annotated[str, Meta(max_length=120)] = ""
    size: Annotated[int, Meta(ge=0)] = 0
    digest: Annotated[str, Meta(max_length=64)] = ""

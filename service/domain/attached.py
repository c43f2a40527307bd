"""Files that go with a note: what is said of them; their bytes are kept elsewhere."""

from typing import Annotated, Final

from msgspec import Meta, Struct

MOST_FILES: Final = 10


class Attached(Struct, frozen=True, omit_defaults=True):
    """A file that is stored for the order. Whoever names one need say no more than its `id`; `digest` is SHA-256."""

    id: Annotated[str, Meta(min_length=36, max_length=36)]
    name: Annotated[str, Meta(max_length=200)] = ""
    type: Annotated[str, Meta(max_length=120)] = ""
    size: Annotated[int, Meta(ge=0)] = 0
    digest: Annotated[str, Meta(max_length=64)] = ""

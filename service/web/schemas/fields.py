"""Fields that several bodies share, with their limits."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

Words = Annotated[str, Meta(max_length=2000)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Moment = Annotated[datetime, Meta(tz=True)]


class Count(Struct):
    """How many."""

    count: int

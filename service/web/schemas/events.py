"""What became of events."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from service.domain.events import EventWarning


class EventResult(Struct, omit_defaults=True):
    """What became of one event. `warnings`: what of it could not be used."""

    outcome: Literal["accepted", "duplicate", "rejected"]
    warnings: Sequence[EventWarning]
    id: str = ""
    source: str = ""
    order_id: str = ""
    late: bool = False
    reason: str = ""


class EventResults(Struct):
    """What became of the events, in their order."""

    results: list[EventResult]

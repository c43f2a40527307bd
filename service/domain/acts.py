"""What people may do to orders themselves, as a pack allows it."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

# What may be given with an act besides attributes, and which acts read which keys of the pack.
SETTABLE: Final = ("eta", "appointment", "price")
TAKES: Final[Mapping[str, tuple[str, ...]]] = {
    "change_status": ("to", "sets"), "assign": ("to",), "note": (), "comment": (), "set_dates": ("sets",),
    "quote": ("sets",), "create": ("to", "sets"),
}  # fmt: skip


# Whose people are the company's own; any other role of an act is an audience's.
STAFF: Final = ("agent", "supervisor", "admin")


class Act(Struct, frozen=True):
    """An act that the pack allows: to whom, in which statuses, to what end, and what may be given with it."""

    name: str
    roles: frozenset[str]
    statuses: frozenset[str]
    to: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()

"""What people may do to orders themselves, as a pack allows it: at the desk, by the API, and on the assignee's page."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

# What may be given with an act besides attributes, and which acts read which keys of the pack.
SETTABLE: Final = ("eta", "appointment", "price")
# What an act may bring by name; the note and whoever is assigned are parts of the event, not values of the order alone.
GIVEN: Final = (*SETTABLE, "assignee", "note")
TAKES: Final[Mapping[str, tuple[str, ...]]] = {
    "change_status": ("to", "sets"), "assign": ("to",), "note": (), "comment": (), "set_dates": ("sets",),
    "quote": ("sets", "lines"), "create": ("to", "sets", "people", "prefix"),
}  # fmt: skip


# Whose people are the company's own; any other role of an act is an audience's.
STAFF: Final = ("agent", "supervisor", "admin")


class Entry(Struct, frozen=True):
    """How a status is entered by hand.

    `titles`: what its button says; `roles`: who may, of those who may change the status at all (empty: all of them);
    `sets`: what its form asks for besides what the status needs (None: what the act may set).
    """

    status: str
    titles: Mapping[str, str] = {}
    roles: frozenset[str] = frozenset()
    sets: tuple[str, ...] | None = None


class Act(Struct, frozen=True):
    """An act that the pack allows: to whom, in which statuses, to what end, and what may be given with it.

    `entries`: more of the statuses in `to`. `lines`: the attribute that holds a quote's lines. `people`: the audiences
    that a new order's form asks for; `prefix`: how its id begins.
    """

    name: str
    roles: frozenset[str]
    statuses: frozenset[str]
    to: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    titles: Mapping[str, str] = {}
    entries: Mapping[str, Entry] = {}
    lines: str = ""
    people: tuple[str, ...] = ()
    prefix: str = ""

    def set_by(self, role: str) -> tuple[str, ...]:
        """All that somebody in this role alone may give with it."""
        if role not in self.roles:
            return ()
        theirs = (e.sets or () for e in self.entries.values() if not e.roles or role in e.roles)
        return (*self.sets, *(path for sets in theirs for path in sets))

    def may_set(self, status: str = "") -> tuple[str, ...]:
        """What may be given with it, and with entering this status by it."""
        entry = self.entries.get(status)
        return tuple(dict.fromkeys((*self.sets, *((entry and entry.sets) or ()))))

    def asks(self, status: str = "") -> tuple[str, ...]:
        """What its form asks for."""
        entry = self.entries.get(status)
        return entry.sets if entry and entry.sets is not None else self.sets


class LinkChoice(Struct, frozen=True):
    """What a button of the assignee's page does: enters a status, or reports for this reason."""

    name: str
    titles: Mapping[str, str]
    status: str = ""
    reason: str = ""


class LinkAct(Struct, frozen=True):
    """A button of the page that whoever handles an order (in this `role`) opens by a link, without an account.

    `statuses`: where it stands on the page. Of several `choices` they pick one. `needs`: must be given with it.
    """

    name: str
    role: str
    titles: Mapping[str, str]
    statuses: frozenset[str]
    choices: tuple[LinkChoice, ...]
    needs: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()

"""The acts that a pack allows people to do: at the desk, by the API, and on the assignee's page. Frozen data only."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

# Values that an act may set besides attributes, and the pack's keys that each kind of act reads.
SETTABLE: Final = ("eta", "appointment", "price")
# Values that an act may carry by name; `note` and `assignee` are fields of the event.
GIVEN: Final = (*SETTABLE, "assignee", "note")
TAKES: Final[Mapping[str, tuple[str, ...]]] = {
    "change_status": ("to", "sets"), "assign": ("to",), "note": (), "comment": (), "set_dates": ("sets",),
    "quote": ("sets", "lines"), "create": ("to", "sets", "people", "prefix"),
}  # fmt: skip


# The company's own roles; any other role of an act is an audience.
STAFF: Final = ("agent", "supervisor", "admin")


class StatusEntry(Struct, frozen=True):
    """How a status is entered by hand.

    `titles`: what its button says; `roles`: who may, of those who may change the status at all (empty: all of them);
    `sets`: what its form asks for besides what the status needs (None: what the act may set).
    """

    status: str
    titles: Mapping[str, str] = {}
    roles: frozenset[str] = frozenset()
    sets: tuple[str, ...] | None = None


class Act(Struct, frozen=True):
    """An act that the pack allows: for whom, in which statuses, with which result, and what may be given with it.

    `entries`: more of the statuses in `to`. `lines`: the attribute that holds a quote's lines. `people`: the audiences
    that a new order's form asks for; `prefix`: how its id begins.
    """

    name: str
    roles: frozenset[str]
    statuses: frozenset[str]
    to: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    titles: Mapping[str, str] = {}
    entries: Mapping[str, StatusEntry] = {}
    lines: str = ""
    people: tuple[str, ...] = ()
    prefix: str = ""

    def set_by(self, role: str) -> tuple[str, ...]:
        """Everything that this role may give with the act."""
        if role not in self.roles:
            return ()
        theirs = (e.sets or () for e in self.entries.values() if not e.roles or role in e.roles)
        return (*self.sets, *(path for sets in theirs for path in sets))

    def may_set(self, status: str = "") -> tuple[str, ...]:
        """What may be given with the act when it enters this status."""
        entry = self.entries.get(status)
        return tuple(dict.fromkeys((*self.sets, *((entry and entry.sets) or ()))))

    def asks(self, status: str = "") -> tuple[str, ...]:
        """The values that the act's form asks for."""
        entry = self.entries.get(status)
        return entry.sets if entry and entry.sets is not None else self.sets


class LinkChoice(Struct, frozen=True):
    """What a button of the assignee's page does: enters a status, or reports for this reason."""

    name: str
    titles: Mapping[str, str]
    status: str = ""
    reason: str = ""


class LinkAct(Struct, frozen=True):
    """A button of the assignee's page, which an assignee in this `role` opens by a link, without an account.

    `statuses`: those in which the button is shown. The assignee picks one of `choices`. `needs`: required values.
    """

    name: str
    role: str
    titles: Mapping[str, str]
    statuses: frozenset[str]
    choices: tuple[LinkChoice, ...]
    needs: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()

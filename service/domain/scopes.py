"""Scopes: the part of the ledger that a caller may see, by workflows, teams or parties. Pure.

A party is somebody on an order, by audience and id, as the pack and its events name them: the provider `v-9`, the
partner `p-3`, the assignee as its `technician`. Their people are callers whose role is that audience.
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from msgspec import UNSET, Struct

from service.domain.errors import Rejection
from service.domain.events import Data
from service.domain.order import Order
from service.domain.people import as_list

WORKFLOW: Final = "workflow"
TEAM: Final = "team"
MOST: Final = 100
# Ids come from publishers, names from packs.
_TEXT: Final = re.compile(r"(?P<kind>[a-z][a-z0-9_]{0,63}):(?P<value>[^\x00-\x20\x7f]{1,200})")


class Party(NamedTuple):
    """Somebody on an order: `audience` as the pack calls it, `id` as the events do."""

    audience: str
    id: str


class Scope(Struct, frozen=True):
    """A caller's limits: an order must match every kind that is named, by any of that kind's values.

    A kind without values limits nothing. A team's orders are those with an escalation to it, or with a clock that
    would escalate to it.
    """

    workflows: frozenset[str] = frozenset()
    teams: frozenset[str] = frozenset()
    parties: frozenset[Party] = frozenset()

    @property
    def is_everything(self) -> bool:
        """Whether it has no limits."""
        return not (self.workflows or self.teams or self.parties)

    @property
    def is_of_workflows(self) -> bool:
        """Whether it is limited by workflows at most, and sees everything in them."""
        return not (self.teams or self.parties)

    @property
    def has_incidents(self) -> bool:
        """Whether incidents may be seen, which gather a team's orders of all workflows and parties."""
        return not (self.workflows or self.parties)

    def has_workflow(self, name: str) -> bool:
        """Whether anything of this workflow may be seen."""
        return not self.workflows or name in self.workflows

    def has_team(self, name: str) -> bool:
        """Whether this team's escalations may be seen."""
        return not self.teams or name in self.teams

    def has_people(self, parties: frozenset[Party]) -> bool:
        """Whether an order with these parties may be seen."""
        return not self.parties or not self.parties.isdisjoint(parties)

    def ids_of(self, audience: str) -> frozenset[str]:
        """The ids in this audience whose orders are seen."""
        return frozenset(p.id for p in self.parties if p.audience == audience)


# The scope of loops, commands and callers without limits. Every query names its scope.
EVERYTHING: Final = Scope()


def read_scope(texts: Iterable[str]) -> Scope:
    """Parse `workflow:NAME`, `team:NAME` and `AUDIENCE:ID`; raises Rejection for anything else."""
    workflows, teams, parties = set[str](), set[str](), set[Party]()
    texts = list(dict.fromkeys(texts))
    if len(texts) > MOST:
        raise Rejection(f"scope: at most {MOST} are taken")
    for text in texts:
        found = _TEXT.fullmatch(text)
        if found is None:
            raise Rejection(
                f"scope: {text!r:.80} is no scope; write workflow:NAME, team:NAME, or an audience and an id such as "
                "provider:v-9"
            )
        kind, value = found["kind"], found["value"]
        if kind == WORKFLOW:
            workflows.add(value)
        elif kind == TEAM:
            teams.add(value)
        else:
            parties.add(Party(kind, value))
    return Scope(frozenset(workflows), frozenset(teams), frozenset(parties))


def written(scope: Scope) -> list[str]:
    """The scope in the form of `read_scope`, sorted."""
    return [
        *(f"{WORKFLOW}:{name}" for name in sorted(scope.workflows)),
        *(f"{TEAM}:{name}" for name in sorted(scope.teams)),
        *(f"{p.audience}:{p.id}" for p in sorted(scope.parties)),
    ]


def parties_in(data: Data) -> frozenset[Party]:
    """The parties that an event names: everybody with an id."""
    people = {} if data.recipients is UNSET else data.recipients
    found = {Party(a, p.id) for a, given in people.items() for p in as_list(given) if isinstance(p.id, str) and p.id}
    if data.assignee and data.assignee.id:
        found.add(Party(data.assignee.role, data.assignee.id))
    return frozenset(found)


def parties_of(order: Order) -> frozenset[Party]:
    """The parties of the order: everybody with an id, and the assignee by their role."""
    found = {Party(a, p.id) for a, people in order.recipients.items() for p in people if p.id}
    if order.assignee and order.assignee.role and order.assignee.id:
        found.add(Party(order.assignee.role, order.assignee.id))
    return frozenset(found)

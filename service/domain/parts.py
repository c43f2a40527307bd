"""Orders with parts: what a whole knows of its parts, and the rules that derive its status from theirs.

A part is an order with a parent. The whole keeps the status of each part, and nothing of their people, so that
its status can be derived from its own state alone.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, NamedTuple

from msgspec import Struct

from service.domain.conditions.tree import Condition

# The whole's state contains all parts, and is rewritten with each change of one.
MAX_PARTS: Final = 200
# `parts.open`, `parts.next_eta`, `parts.last_eta`; any other name after `parts.` counts those in a status or stage.
OPEN: Final = "open"
NEXT_ETA: Final = "next_eta"
LAST_ETA: Final = "last_eta"
RESERVED: Final = (OPEN, NEXT_ETA, LAST_ETA)


class OrderRef(NamedTuple):
    """The reference of an order: `reference`, the publisher's id, is unique within its workflow."""

    workflow: str
    reference: str


class Part(Struct, frozen=True, omit_defaults=True):
    """The state of one part, `since` when (UTC); `final`: it has ended; `failed`: in a failed stage."""

    workflow: str
    reference: str
    status: str
    stage: str
    since: datetime
    final: bool = False
    failed: bool = False
    eta: datetime | None = None

    @property
    def ref(self) -> OrderRef:
        """The part's reference."""
        return OrderRef(self.workflow, self.reference)

    def is_in(self, names: Iterable[str]) -> bool:
        """Whether its status or stage is one of these names."""
        return self.status in names or self.stage in names


class PartRule(Struct, frozen=True):
    """The whole enters `to` where all of this holds for its parts; `summary`: the rule in the pack's own words.

    `all`: each part is in one of these, and as many are known as are expected; `any`: at least one is; `none`: no part
    is. `when`: of the whole's own data, counts of its parts included.
    """

    to: str
    all: frozenset[str] = frozenset()
    any: frozenset[str] = frozenset()
    none: frozenset[str] = frozenset()
    when: Condition | None = None
    summary: str = ""

    def fits(self, parts: tuple[Part, ...], expected: int) -> bool:
        """Whether the rule holds for these parts, apart from `when`."""
        if self.all and not (len(parts) >= max(expected, 1) and all(p.is_in(self.all) for p in parts)):
            return False
        if self.any and not any(p.is_in(self.any) for p in parts):
            return False
        return not any(p.is_in(self.none) for p in parts)


class PartRules(Struct, frozen=True):
    """The workflows `of` which orders may be parts, and the rules, of which the first that holds applies.

    `expected`: the path of how many parts there will be; without it, those that are known are all.
    """

    of: frozenset[str]
    rules: tuple[PartRule, ...] = ()
    expected: str = ""


def value_of(parts: tuple[Part, ...], name: str) -> Any:
    """A value of all parts together, for conditions, dates and templates, by the name after `parts.`."""
    if name == OPEN:
        return sum(not p.final for p in parts)
    if name in (NEXT_ETA, LAST_ETA):
        known = [p.eta for p in parts if p.eta is not None and not p.final]
        pick = min if name == NEXT_ETA else max
        return pick(known, default=None)
    return sum(p.is_in((name,)) for p in parts)


def with_part(parts: tuple[Part, ...], part: Part) -> tuple[Part, ...]:
    """The parts with this one updated in its place; a new one is added last."""
    if any(p.ref == part.ref for p in parts):
        return tuple(part if p.ref == part.ref else p for p in parts)
    return (*parts, part)

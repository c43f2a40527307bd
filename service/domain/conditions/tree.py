"""Conditions: predicates on single values, and `all`, `any` and `not` of conditions. Frozen data only.

`service.workflows` reads a pack's `when:` into this; `judging` evaluates it.
"""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Final, Literal, TypeAlias

from msgspec import Struct

Op = Literal[
    "given", "known", "is", "contains", "begins", "over", "at_least", "under", "at_most", "before", "after",
    "changed", "changed_by", "first",
]  # fmt: skip
# Predicates that compare the order after an event with the order before it.
OF_EVENTS: Final[frozenset[Op]] = frozenset({"changed", "changed_by", "first"})
NOW: Final = "now"


class Sum(Struct, frozen=True):
    """An amount of money, comparable only with amounts of the same currency."""

    amount: Decimal
    currency: str


class ValueAt(Struct, frozen=True):
    """Another value of the same order, by its path."""

    path: str


class Moment(Struct, frozen=True):
    """`now`, a date in ISO 8601 as stored, or a date of the order, moved by an offset."""

    base: str | ValueAt
    shift: timedelta = timedelta(0)


Operand: TypeAlias = Decimal | Sum | ValueAt | Moment | timedelta


class Predicate(Struct, frozen=True):
    """A test of one value of the order.

    *given*: it is there, and neither false, zero nor empty. *known*: it is there. *is*, *contains*, *begins*: as one
    of `keys`, which are written as `attribute_keys` writes them. *over* to *at_most*: a number, money, or how many
    things a list has, against `operand`. *before*, *after*: a date. *changed*: it had another value before this event;
    *changed_by*: it is now at least so far from what was told last; *first*: it had none. `written` is the pack's own
    words for what is asked, to explain with.
    """

    path: str
    op: Op
    operand: Operand | None = None
    keys: tuple[str, ...] = ()
    written: str = ""


class All(Struct, frozen=True):
    """All of them hold."""

    of: tuple["Condition", ...]


class AnyOf(Struct, frozen=True):
    """At least one of them holds."""

    of: tuple["Condition", ...]


class Not(Struct, frozen=True):
    """It does not hold."""

    of: "Condition"


Condition: TypeAlias = Predicate | All | AnyOf | Not


def predicates(condition: Condition | None) -> Iterator[Predicate]:
    """Every predicate that is part of a condition."""
    match condition:
        case None:
            return
        case Predicate():
            yield condition
        case Not(inner):
            yield from predicates(inner)
        case All(parts) | AnyOf(parts):
            for part in parts:
                yield from predicates(part)


def paths(condition: Condition | None) -> Iterator[str]:
    """The path of every value that a condition looks at."""
    for predicate in predicates(condition):
        yield predicate.path
        match predicate.operand:
            case ValueAt(path) | Moment(ValueAt(path)):
                yield path
            case _:
                pass

"""Evaluates conditions on an order, and explains why one does not hold. Pure.

A comparison with a value that is missing, or is of no kind to compare, is neither true nor false, whatever `all`,
`any` and `not` stand around it (the three values of SQL: ISO/IEC 9075-2, §8.1 *predicates*); in the end that counts as
false. Whether something is, contains or begins with a text can be said of a missing value, too: it does not.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple, Protocol

from msgspec import UNSET, Struct, UnsetType, to_builtins

from service.domain.attribute_keys import key_of
from service.domain.attributes import moment_of
from service.domain.calendars import zone_of
from service.domain.conditions.tree import NOW, All, AnyOf, Condition, Moment, Not, Op, Operand, Predicate, Sum, ValueAt

_COUNTED: Final = "entered."
_EMPTY: Final[tuple[object, ...]] = (None, "", (), [], {})
_ISO_TIME_AT: Final = 10


class Valued(Protocol):
    """Something with values at dotted paths, such as an order."""

    def value(self, path: str) -> Any:
        """The value at `path`; None where there is none."""
        ...


class Situation(Struct, frozen=True):
    """An order at a moment (UTC), its pack's time zone, and the order as it was before the event being decided.

    `before` is UNSET where there is no event, and None for an order's first one. `told` are the values from which
    *changed_by* counts, by path, as plain JSON.
    """

    order: Valued
    now: datetime
    timezone: str
    before: Valued | None | UnsetType = UNSET
    told_values: Mapping[str, Any] = {}


class Unclear(NamedTuple):
    """The condition cannot be evaluated; the text says why."""

    why: str


Verdict = bool | Unclear


def holds(condition: Condition | None, situation: Situation) -> bool:
    """Whether the condition holds; no condition always does."""
    return condition is None or judge(condition, situation) is True


def judge(condition: Condition, situation: Situation) -> Verdict:
    """True, false, or why it cannot be evaluated."""
    match condition:
        case Predicate():
            return _test(condition, situation)
        case Not(inner):
            verdict = judge(inner, situation)
            return verdict if isinstance(verdict, Unclear) else not verdict
        case All(parts):
            return _first_of(False, parts, situation)
        case AnyOf(parts):
            return _first_of(True, parts, situation)


def _first_of(decisive: bool, parts: tuple[Condition, ...], situation: Situation) -> Verdict:
    """The deciding verdict if one of the parts has it, else an unclear one, else the opposite."""
    unclear: Unclear | None = None
    for part in parts:
        verdict = judge(part, situation)
        if verdict is decisive:
            return decisive
        if isinstance(verdict, Unclear):
            unclear = unclear or verdict
    return unclear or not decisive


def why_not(condition: Condition | None, situation: Situation) -> str:
    """Why the condition does not hold, in words; empty when it does. It names no values, as some are personal."""
    if condition is None:
        return ""
    verdict = judge(condition, situation)
    if isinstance(verdict, Unclear):
        return f"it cannot be said: {verdict.why}"
    return "" if verdict else _refuted(condition, situation)


def _refuted(condition: Condition, situation: Situation) -> str:
    match condition:
        case Predicate():
            return in_words(condition, so=False)
        case Not(inner):
            return _held(inner, situation)
        case All(parts):
            return next(_refuted(part, situation) for part in parts if judge(part, situation) is False)
        case AnyOf(parts):
            return ", and ".join(_refuted(part, situation) for part in parts)


def _held(condition: Condition, situation: Situation) -> str:
    match condition:
        case Predicate():
            return in_words(condition, so=True)
        case Not(inner):
            return _refuted(inner, situation)
        case All(parts):
            return ", and ".join(_held(part, situation) for part in parts)
        case AnyOf(parts):
            return next(_held(part, situation) for part in parts if judge(part, situation) is True)


_WORDS: Final[Mapping[Op, tuple[str, str]]] = {
    "given": ("is given", "is not given"),
    "known": ("is known", "is not known"),
    "is": ("is {}", "is not {}"),
    "contains": ("contains {}", "does not contain {}"),
    "begins": ("begins with {}", "does not begin with {}"),
    "over": ("is over {}", "is not over {}"),
    "at_least": ("is at least {}", "is not at least {}"),
    "under": ("is under {}", "is not under {}"),
    "at_most": ("is at most {}", "is not at most {}"),
    "before": ("is before {}", "is not before {}"),
    "after": ("is after {}", "is not after {}"),
    "changed": ("has changed", "has not changed"),
    "changed_by": ("has changed by {}", "has not changed by {} since it was told"),
    "first": ("is new", "is not new"),
}


def in_words(test: Predicate, *, so: bool) -> str:
    """The predicate in words, affirmed or negated, such as `price is not over 500 EUR`."""
    return f"{test.path} {_WORDS[test.op][0 if so else 1].format(test.written)}"


def _test(test: Predicate, s: Situation) -> Verdict:
    value = s.order.value(test.path)
    if value is None and test.path.startswith(_COUNTED):
        value = 0
    match test.op:
        case "given":
            return bool(value)
        case "known":
            return value not in _EMPTY
        case "is":
            return any(key in test.keys for key in _keys(value, s.timezone))
        case "contains":
            return _contains(value, test.keys)
        case "begins":
            return any(key_of(v).startswith(test.keys) for v in _items(value))
        case "over" | "at_least" | "under" | "at_most":
            return _compared(test, value, s)
        case "before" | "after":
            return _dated(test, value, s)
        case "changed" | "changed_by" | "first":
            return _changed(test, value, s)


def _items(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


def _keys(value: Any, timezone: str) -> set[str]:
    """The keys of a value; of a moment also that of its day in the pack's zone."""
    found = set()
    for item in to_builtins(_items(value)):
        found.add(key_of(item))
        is_moment = isinstance(item, str) and item[_ISO_TIME_AT : _ISO_TIME_AT + 1] == "T"
        if is_moment and (moment := moment_of(item, timezone)) is not None:
            found.add(moment.astimezone(zone_of(timezone)).date().isoformat())
    return found - {""}


def _contains(value: Any, keys: tuple[str, ...]) -> bool:
    """Whether a list has one of the keys as an item, or a text contains one of them."""
    if isinstance(value, (list, tuple)):
        return any(key_of(item) in keys for item in value)
    return any(key in key_of(value) for key in keys)


def _compared(test: Predicate, value: Any, s: Situation) -> Verdict:
    mine = _size(value)
    theirs = _of_operand(test.operand, s)
    if mine is None:
        return Unclear(f"{test.path} is not known" if value is None else f"{test.path} is nothing to compare")
    if theirs is None:
        return Unclear(f"{test.written} is not known")
    if mine[1] != theirs[1]:
        return Unclear(f"{test.path} is not in {theirs[1]}" if theirs[1] else f"{test.path} is an amount of money")
    difference = mine[0] - theirs[0]
    match test.op:
        case "over":
            return difference > 0
        case "at_least":
            return difference >= 0
        case "under":
            return difference < 0
        case _:
            return difference <= 0


def _of_operand(operand: Operand | None, s: Situation) -> tuple[Decimal, str] | None:
    return _size(s.order.value(operand.path)) if isinstance(operand, ValueAt) else _amount(operand)


def _amount(operand: Operand | None) -> tuple[Decimal, str] | None:
    match operand:
        case Decimal():
            return operand, ""
        case Sum(amount, currency):
            return amount, currency
        case _:
            return None


def _size(value: Any) -> tuple[Decimal, str] | None:
    """The amount of a number, of money (with its currency), or of a list (its length)."""
    if isinstance(value, (list, tuple)):
        return Decimal(len(value)), ""
    currency = value.get("currency") if isinstance(value, Mapping) else getattr(value, "currency", "")
    amount = value.get("amount") if isinstance(value, Mapping) else getattr(value, "amount", value)
    if amount is None or isinstance(amount, bool):
        return None
    try:
        number = Decimal(str(amount))
    except InvalidOperation:
        return None
    return (number, str(currency or "")) if number.is_finite() else None


def _dated(test: Predicate, value: Any, s: Situation) -> Verdict:
    """The moment of a date: a day means its end; for *before*, its start."""
    mine = moment_of(value, s.timezone)
    theirs = _moment(test.operand, s, start_of_day=test.op == "before")
    if mine is None:
        return Unclear(f"{test.path} is not known")
    if theirs is None:
        return Unclear(f"{test.written} is not known")
    return mine < theirs if test.op == "before" else mine > theirs


def _moment(operand: Operand | None, s: Situation, *, start_of_day: bool) -> datetime | None:
    match operand:
        case Moment(base, shift):
            base = s.order.value(base.path) if isinstance(base, ValueAt) else base
            found = s.now if base == NOW else moment_of(base, s.timezone, start_of_day=start_of_day)
            return found + shift if found else None
        case _:
            return None


def _changed(test: Predicate, value: Any, s: Situation) -> Verdict:
    if isinstance(s.before, UnsetType):
        return Unclear(f"no event is looked at, by which {test.path} could have changed")
    was = s.before.value(test.path) if s.before is not None else None
    if test.op == "first":
        return value not in _EMPTY and was in _EMPTY
    if test.op == "changed":
        return was not in _EMPTY and value not in _EMPTY and value != was
    return _moved(test, s.told_values.get(test.path, was), value, s.timezone)


def _moved(test: Predicate, was: Any, value: Any, timezone: str) -> Verdict:
    if value is None or was is None:
        return Unclear(f"{test.path} is not known" if value is None else f"{test.path} was not known before")
    if isinstance(test.operand, timedelta):
        old, new = moment_of(was, timezone), moment_of(value, timezone)
        if old is None or new is None:
            return Unclear(f"{test.path} is no date")
        return abs(new - old) >= test.operand
    before, after, least = _size(was), _size(value), _amount(test.operand)
    if before is None or after is None or least is None:
        return Unclear(f"{test.path} is nothing to compare")
    if not before[1] == after[1] == (least[1] or after[1]):
        return Unclear(f"{test.path} is in another currency")
    return abs(after[0] - before[0]) >= least[0]

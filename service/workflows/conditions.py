"""Builds conditions from a pack's `when:`, typed by the pack's declarations; an impossible test raises ValueError.

Otherwise a condition that compares incomparable values would silently never hold.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from service.domain.attribute_keys import key_of, sought
from service.domain.attributes import Attribute, AttributeType, checked
from service.domain.conditions.fields import FIELDS, OPEN, type_at
from service.domain.conditions.tree import (
    NOW,
    OF_EVENTS,
    All,
    AnyOf,
    Condition,
    Moment,
    Not,
    Op,
    Operand,
    Predicate,
    Sum,
    ValueAt,
)
from service.domain.errors import Rejection
from service.workflows.durations import parse_duration
from service.workflows.schema_conditions import CountYaml, WhenYaml
from service.workflows.yaml_lines import YamlPath

_OPS: Final[Mapping[str, Op]] = {
    "is_": "is", "over": "over", "at_least": "at_least", "under": "under", "at_most": "at_most", "before": "before",
    "after": "after", "contains": "contains", "starts_with": "begins", "changed": "changed",
    "changed_by": "changed_by", "first": "first",
}  # fmt: skip
# The types to which each test applies; tests that are not listed apply to all types.
_FITTING: Final[Mapping[Op, tuple[AttributeType, ...]]] = {
    **dict.fromkeys(("over", "at_least", "under", "at_most"), ("number", "money", "list")),
    **dict.fromkeys(("before", "after"), ("datetime", "date")),
    "changed_by": ("number", "money", "datetime", "date"),
    "contains": ("text", "list", "any"),
    "begins": ("text", "list", "any"),
}
_OF_PARTS: Final = "status or stage of a part"
_AMOUNT: Final = re.compile(r"(-?\d{1,30}(?:\.\d{1,30})?)\s*([A-Z]{3})")
_NUMBER: Final = re.compile(r"-?\d{1,30}(?:\.\d{1,30})?")
_PATH: Final = re.compile(r"[a-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*")
_SHIFTED: Final = re.compile(r"(.+?)\s+([+-])\s+(\S.*)")


class ConditionScope(Struct, frozen=True):
    """What a pack declares, and what is known where the condition is used: an event, and the time."""

    attributes: Mapping[str, Attribute]
    names: Mapping[str, tuple[str, ...]]
    timezone: str
    of_event: bool = True
    of_time: bool = True


def condition(yaml: WhenYaml | None, scope: ConditionScope) -> Condition | None:
    """The condition; raises ValueError for one in which `problems` finds mistakes."""
    if yaml is None:
        return None
    parts: list[Condition] = [_test(yaml, key, scope) for key in _tests_in(yaml)]
    if yaml.all:
        parts.append(All(tuple(c for y in yaml.all if (c := condition(y, scope)))))
    if yaml.any:
        parts.append(AnyOf(tuple(c for y in yaml.any if (c := condition(y, scope)))))
    if yaml.not_ and (inner := condition(yaml.not_, scope)):
        parts.append(Not(inner))
    return parts[0] if len(parts) == 1 else All(tuple(parts))


def problems(yaml: WhenYaml, scope: ConditionScope, path: YamlPath) -> Iterator[tuple[YamlPath, str]]:
    """The mistakes in the condition, with their places."""
    tests = list(_tests_in(yaml))
    if yaml.path is None and (loose := [k for k in tests if k in _OPS or k == "known"]):
        yield path, f"{' and '.join(k.removesuffix('_') for k in loose)}: nothing to compare with; add 'path'"
        tests = [k for k in tests if k not in loose]
    elif not (tests or yaml.all or yaml.any or yaml.not_):
        yield path, "an empty condition; give it a 'path', 'in', 'entered', 'all', 'any' or 'not'"
    for key in tests:
        try:
            _test(yaml, key, scope)
        except ValueError as error:
            yield (*path, key.removesuffix("_")), str(error)
    for key, inner in (("all", yaml.all), ("any", yaml.any), ("not", [yaml.not_] if yaml.not_ else [])):
        for i, part in enumerate(inner):
            yield from problems(part, scope, (*path, key) if key == "not" else (*path, key, i))


def _tests_in(yaml: WhenYaml) -> Iterator[str]:
    """The keys that are tests; `path` if the value itself is tested."""
    tests = [key for key in (*_OPS, "known") if getattr(yaml, key) not in (None, [])]
    yield from tests
    if yaml.path is not None and not tests:
        yield "path"
    if yaml.entered is not None:
        yield "entered"
    elif yaml.in_:
        yield "in_"


def _test(yaml: WhenYaml, key: str, scope: ConditionScope) -> Condition:
    if key == "in_":
        return Predicate("status", "is", keys=tuple(yaml.in_), written=" or ".join(yaml.in_))
    if key == "entered":
        return _counted(yaml)
    path = yaml.path or ""
    kind = _type_of(path, scope)
    if key == "path":
        return Predicate(path, "given")
    if key == "known":
        return Predicate(path, "known") if yaml.known else Not(Predicate(path, "known"))
    op, given = _OPS[key], getattr(yaml, key)
    _require_fitting(path, op, kind, scope)
    written = " or ".join(_written(g) for g in (given if isinstance(given, list) else [given]))
    if op in ("is", "contains", "begins"):
        return Predicate(path, op, keys=tuple(_key(path, op, kind, g, scope) for g in given), written=written)
    return Predicate(path, op, _operand(path, op, kind, given, scope), written=written)


def _counted(yaml: WhenYaml) -> Condition:
    """How often a status was entered: the one of `in`, else the order's current one."""
    if len(yaml.in_) > 1:
        raise ValueError("entered: counts one status; write an 'any' of two conditions")
    path = f"entered.{yaml.in_[0]}" if yaml.in_ else "visits"
    if not isinstance(yaml.entered, CountYaml):
        return Predicate(path, "is", keys=(str(yaml.entered),), written=str(yaml.entered))
    bounds: dict[Op, int | None] = {
        "over": yaml.entered.over, "at_least": yaml.entered.at_least,
        "under": yaml.entered.under, "at_most": yaml.entered.at_most,
    }  # fmt: skip
    return All(tuple(Predicate(path, op, Decimal(n), written=str(n)) for op, n in bounds.items() if n is not None))


def _type_of(path: str, scope: ConditionScope) -> AttributeType:
    kind = type_at(path, scope.attributes)
    if kind is None:
        known = [*FIELDS, *OPEN]
        near = difflib.get_close_matches(path, [*FIELDS, *(f"attributes.{n}" for n in scope.attributes)], 1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
        raise ValueError(f"no order has {path!r}; {hint}")
    if path.startswith("entered."):
        _require_name("status", path.partition(".")[2], scope)
    if path.startswith("parts.") and _OF_PARTS in scope.names:
        _require_name(_OF_PARTS, path.partition(".")[2], scope)
    return kind


def _require_name(kind: str, name: str, scope: ConditionScope) -> None:
    if name not in scope.names[kind]:
        near = difflib.get_close_matches(name, scope.names[kind], 1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(scope.names[kind])}"
        raise ValueError(f"unknown {kind} {name!r}{hint}")


def _require_fitting(path: str, op: Op, kind: AttributeType, scope: ConditionScope) -> None:
    key = "starts_with" if op == "begins" else op
    if op in OF_EVENTS and not scope.of_event:
        raise ValueError(f"{key!r} compares an order before and after an event; here there is no event")
    fitting = _FITTING.get(op)
    if fitting is None or kind in fitting:
        return
    head, _, name = path.partition(".")
    if head == "attributes" and name not in scope.attributes and "." not in name:
        raise ValueError(f"{path} is not declared, and {key!r} needs its type: `attributes: {{{name}: {fitting[0]}}}`")
    raise ValueError(f"{path} is of type {kind}, and {key!r} is for {', '.join(fitting)}")


def _written(given: Any) -> str:
    return (
        given.isoformat() if isinstance(given, date) else str(given).lower() if isinstance(given, bool) else str(given)
    )


def _key(path: str, op: Op, kind: AttributeType, given: Any, scope: ConditionScope) -> str:
    """The operand of a comparison, as a key."""
    text = _written(given)
    if path in ("status", "stage") and op == "is":
        _require_name(path, text, scope)
    if op != "is" or kind in ("text", "list", "any"):
        return key_of(given if isinstance(given, (bool, int, float)) else text)
    try:
        key = sought(Attribute(path.removeprefix("attributes."), kind), text, scope.timezone)
        return key_of(key) if kind in ("date", "datetime") else key
    except Rejection as rejection:
        raise ValueError(f"{path} is of type {kind}, never {text!r}: {rejection.reason}") from None


def _operand(path: str, op: Op, kind: AttributeType, given: Any, scope: ConditionScope) -> Operand | None:
    if op in ("changed", "first"):
        return None
    text = _written(given)
    if kind in ("date", "datetime"):
        return _length(path, text) if op == "changed_by" else _moment(path, text, scope)
    if kind == "money" and (found := _AMOUNT.fullmatch(text)):
        return Sum(Decimal(found[1]), found[2])
    if _NUMBER.fullmatch(text) and (kind != "money" or op == "changed_by"):
        return Decimal(text)
    if op != "changed_by" and type_at(text, scope.attributes) == kind:
        return ValueAt(text)
    wanted = "an amount such as 500 EUR" if kind == "money" else "a number"
    raise ValueError(f"{path}: {wanted} is expected, or the path of one, not {text!r}")


def _length(path: str, text: str) -> timedelta:
    length: timedelta = parse_duration(text)
    if length <= timedelta(0):
        raise ValueError(f"{path}: a change by {text!r} is not a change")
    return length


def _moment(path: str, text: str, scope: ConditionScope) -> Moment:
    shifted = _SHIFTED.fullmatch(text)
    base, shift = (shifted[1], parse_duration(shifted[3])) if shifted else (text, timedelta(0))
    shift = -shift if shifted and shifted[2] == "-" else shift
    if base == NOW:
        if not scope.of_time:
            raise ValueError(
                "'now' changes between events, and this condition is evaluated at events only; use a clock"
            )
        return Moment(NOW, shift)
    if _PATH.fullmatch(base):
        if type_at(base, scope.attributes) not in ("date", "datetime"):
            raise ValueError(f"{path}: {base!r} is not a date of an order; write now, eta, attributes.x or 2026-12-24")
        return Moment(ValueAt(base), shift)
    try:
        return Moment(checked({"x": base}, {"x": Attribute("x", "datetime")}, scope.timezone)["x"], shift)
    except Rejection:
        raise ValueError(f"{path}: {base!r} is not a date; write now, now + 2h, eta - 1h or 2026-12-24") from None

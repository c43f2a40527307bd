"""Warns a publisher of fields in an event that nothing reads, so that a misspelling is noticed. Pure."""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any, Final

import msgspec
from msgspec import Struct

from service.domain.quoting import is_name

MOST: Final = 10
_NESTED: Final = (dict, list)


def unknown_fields(raw: bytes | msgspec.Raw, decoded: Struct, under: str) -> list[tuple[str, str]]:
    """Path and remark of each field of `raw` that `decoded` does not have, at most `MOST` of them."""
    try:
        given = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # A number too large to decode, in a field that nothing reads.
        return []
    found: list[tuple[str, str]] = []
    _of_struct(given, decoded, under, found)
    return found[:MOST]


@cache
def _fields(kind: type[Struct]) -> frozenset[str]:
    return frozenset(kind.__struct_fields__)


def _of_struct(given: Mapping[str, Any], decoded: Struct, path: str, found: list[tuple[str, str]]) -> None:
    known = _fields(type(decoded))
    for name, value in given.items():
        if name not in known:
            near = get_close_matches(name, known, 1) if len(found) < MOST else []
            hint = f"; did you mean {near[0]!r}?" if near else ""
            found.append((step(path, name), f"is not known here and was not used{hint}"))
        elif value.__class__ in _NESTED:
            _within(value, getattr(decoded, name), f"{path}.{name}", found)


def _within(given: Any, decoded: Any, path: str, found: list[tuple[str, str]]) -> None:
    if isinstance(decoded, Struct):
        _of_struct(given, decoded, path, found)
    elif isinstance(decoded, tuple):
        for n, (one, value) in enumerate(zip(given, decoded, strict=True)):
            if isinstance(value, Struct):
                _of_struct(one, value, f"{path}[{n}]", found)
    elif isinstance(decoded, dict):
        for name, value in decoded.items():
            if isinstance(value, (Struct, tuple)):
                _within(given[name], value, step(path, name), found)


def step(path: str, name: str) -> str:
    """The path one level deeper; a key without the form of a name is not repeated, as it may be a phone number."""
    return f"{path}.{name}" if is_name(name) else f"{path}[...]"

"""What an event says that nothing here reads: told to its publisher, so that a misspelt field is not lost. Pure."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

import msgspec
from msgspec import Struct

from service.domain.quoting import is_name

MOST: Final = 10


def unknown_fields(raw: bytes | msgspec.Raw, decoded: Struct, under: str) -> list[tuple[str, str]]:
    """Path and remark of each field of `raw` that `decoded` has no place for, the first `MOST` of them."""
    try:
        said = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # A number beyond all bounds inside of what nobody reads.
        return []
    found = _of_struct(said, decoded, under)
    return [pair for pair, _ in zip(found, range(MOST), strict=False)]


def _of_struct(said: Mapping[str, Any], decoded: Struct, path: str) -> Iterator[tuple[str, str]]:
    fields = decoded.__struct_fields__
    for name, value in said.items():
        if name not in fields:
            near = get_close_matches(name, fields, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            yield step(path, name), f"is not known here and was not used{hint}"
        elif value:
            yield from _within(value, getattr(decoded, name), f"{path}.{name}")


def _within(said: Any, decoded: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(decoded, Struct):
        yield from _of_struct(said, decoded, path)
    elif isinstance(decoded, tuple):
        for n, (one, value) in enumerate(zip(said, decoded, strict=True)):
            if isinstance(value, Struct):
                yield from _of_struct(one, value, f"{path}[{n}]")
    elif isinstance(decoded, dict):
        for name, value in decoded.items():
            if isinstance(value, (Struct, tuple)):
                yield from _within(said[name], value, step(path, name))


def step(path: str, name: str) -> str:
    """The path one level on; what has not the form of a name may be anything, a telephone number too."""
    return f"{path}.{name}" if is_name(name) else f"{path}[...]"

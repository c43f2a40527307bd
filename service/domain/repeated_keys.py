"""Refuses JSON objects with a repeated key and different values: either of them may be what was meant. Pure.

RFC 8259, §4: "When the names within an object are not unique, the behavior of software that receives such an object is
unpredictable"; readers that take the last one take another order, or another code, than readers that take the first.
"""

import json
from typing import Any, Final

from service.domain.errors import Rejection
from service.domain.json_object import JsonObject
from service.domain.quoting import is_name


def refuse_repeated_keys(text: bytes) -> None:
    """Raises Rejection for a repeated key with different values, and for invalid JSON; equal values are accepted.

    Fields that nothing reads may be invalid UTF-8, or nested too deeply, even though the event itself was decoded.
    """
    try:
        _decoder.decode(text.decode())
    except (ValueError, RecursionError) as error:
        why = "not UTF-8" if isinstance(error, UnicodeDecodeError) else "a part that nobody reads"
        raise Rejection(f"not readable as JSON: {why}") from error


def _once(pairs: list[tuple[str, Any]]) -> JsonObject:
    found = dict(pairs)
    if len(found) < len(pairs):
        for name, value in pairs:
            if found[name] != value:
                raise Rejection(f"{name if is_name(name) else 'a field'}: comes twice in one object, and differs")
    return found


# Numbers stay text: they are only compared, and may be longer than Python converts (CVE-2020-10735).
_decoder: Final = json.JSONDecoder(object_pairs_hook=_once, parse_int=str, parse_float=str, strict=False)

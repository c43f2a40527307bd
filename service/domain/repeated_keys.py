"""A key that stands twice in one JSON object and says two things: either of them may be what was meant. Pure.

RFC 8259, §4: "When the names within an object are not unique, the behavior of software that receives such an object is
unpredictable"; readers that take the last one take another order, or another code, than readers that take the first.
"""

import json
from typing import Any, Final

from service.domain.errors import Rejection
from service.domain.quoting import is_name


def refuse_repeated_keys(text: bytes) -> None:
    """Raises Rejection where a key comes twice and differs; the same said twice is said once.

    `text` is known to be JSON: for anything else ValueError is raised, or nothing.
    """
    _decoder.decode(text.decode())


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        for name, value in pairs:
            if found[name] != value:
                raise Rejection(f"{name if is_name(name) else 'a field'}: comes twice in one object, and differs")
    return found


# Numbers stay text: they are compared, not counted with, and may be longer than Python reads (CVE-2020-10735).
_decoder: Final = json.JSONDecoder(object_pairs_hook=_once, parse_int=str, parse_float=str, strict=False)

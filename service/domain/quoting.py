"""Which publisher's texts may be repeated in reasons, logs, traces, and beside a sealed dead letter.

A mistyped status helps to find the mistake; "call me at +91…" in its place must not be passed on. Only what has the
form of a name is repeated; of anything else, only its length.
"""

import re
from typing import Final

_NAME: Final = re.compile(r"[a-z0-9_.+/-]{1,64}")
_REFERENCE: Final = re.compile(r"[A-Za-z0-9_.:/-]{1,200}")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?", re.IGNORECASE)
# A one-time code has 4 digits or more; the shortest telephone numbers, 7 (ITU-T E.164 gives no least length).
_CODE: Final = re.compile(r"\d{4}")
_NUMBER: Final = re.compile(r"\d{9}")
_MOST_DIGITS: Final = 5
_FEWEST_OF_A_NUMBER: Final = 7


def quoted(text: str) -> str:
    """`text` in quotes, if it has the form of a name in a pack or of a media type; otherwise how long it is."""
    return repr(text) if is_name(text) else _withheld(text)


def is_name(text: str) -> bool:
    """Whether `text` has the form of a name in a pack, and neither a code's nor a telephone number's."""
    return bool(_NAME.fullmatch(text)) and not _CODE.search(text) and sum(c.isdigit() for c in text) <= _MOST_DIGITS


def reference(text: str) -> str:
    """`text`, if it has the form of an order's or event's id or source; otherwise how long it is."""
    return text if is_reference(text) else _withheld(text)


def is_reference(text: str) -> bool:
    """Whether this reads as an id, and neither as a telephone number nor as a sentence."""
    if not _REFERENCE.fullmatch(text):
        return False
    bare = not any(c.isalpha() for c in text) and sum(c.isdigit() for c in text) >= _FEWEST_OF_A_NUMBER
    return bool(_UUID.fullmatch(text)) or not (bare or _NUMBER.search(text))


def is_moment(text: str) -> bool:
    """Whether this is a date and time, and nothing more (RFC 3339)."""
    return bool(_MOMENT.fullmatch(text))


def _withheld(text: str) -> str:
    return f"({len(text)} characters, not shown)" if text else "''"

"""Control characters, which no name or identifier may have: they break headers, subjects and log lines.

The C0 and C1 controls, and Unicode's own line and paragraph separators (U+2028, U+2029).
"""

import re
from typing import Final

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def has_control_characters(text: str) -> bool:
    """Whether there is one in `text`."""
    return bool(_CONTROL.search(text))


def one_line(text: str) -> str:
    """`text` as one line without control characters: for names that end up in headers and subjects."""
    return " ".join(_CONTROL.sub(" ", text).split())

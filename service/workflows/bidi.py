"""Bidirectional texts: pieces in the other direction are isolated, so that they do not reorder their neighbours.

Unicode Standard Annex 9, §2.4: text between FIRST STRONG ISOLATE and POP DIRECTIONAL ISOLATE is ordered by itself.
Only values that need it get them: they cost an SMS two characters, and values to be copied (codes, links) stay bare.
"""

import re
import unicodedata
from typing import Final

FSI: Final = "\u2068"
PDI: Final = "\u2069"
RLM: Final = "\u200f"
# Numbers in texts (by UAX 9, W4, a single separator between digits keeps its place), and codes.
_NUMBER: Final = re.compile(r"\d+(?:[.,:]\d+)*")
_LINK: Final = re.compile(r"[a-z][a-z0-9+.-]*://\S+|\S+@\S+\.\S+", re.IGNORECASE)
_STRONG: Final = {"L": "ltr", "R": "rtl", "AL": "rtl"}


class Bare(str):
    """A text in a place where no directional marks are allowed: within an HTML tag."""

    __slots__ = ()


def isolated(value: object, direction: str) -> object:
    """The value, isolated if it would be displayed wrongly in a text of this direction (`ltr`, `rtl`; empty: any)."""
    if not direction or isinstance(value, Bare) or hasattr(value, "__html__") or not isinstance(value, str | int):
        return value
    text = str(value)
    if direction == "ltr" and text.isascii():
        return value
    return f"{FSI}{text}{PDI}" if _needs(text, direction) else value


def _needs(text: str, direction: str) -> bool:
    if FSI in text or "\n" in text or _NUMBER.fullmatch(text) or _LINK.fullmatch(text):
        return False
    ways = {_STRONG[kind] for c in text if (kind := unicodedata.bidirectional(c)) in _STRONG}
    if direction == "ltr":
        return "rtl" in ways
    # Digits without letters: +966 50 and 12-34 would be reversed.
    return "ltr" in ways or (not ways and any(c.isdigit() for c in text))


def led(text: str) -> str:
    """A right-to-left text; a line that begins with left-to-right letters gets a directional mark in front.

    Programs take a line's direction from its first letter (UAX 9, P2 and P3), many from an isolated one, too.
    """
    return "\n".join(RLM + line if _is_led_astray(line) else line for line in text.split("\n"))


def _is_led_astray(line: str) -> bool:
    ways = [_STRONG[kind] for c in line if (kind := unicodedata.bidirectional(c)) in _STRONG]
    return ways[:1] == ["ltr"] and "rtl" in ways

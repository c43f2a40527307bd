"""Splits a text into grapheme clusters by Unicode 10 (Unicode Standard Annex 29, version 31).

That version, as carriers and Twilio count by it (npm: sms-segments-calculator): an emoji sequence or a letter with
its vowel sign is never split over two segments.
"""

from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_FILE: Final = Path(__file__).parent / "grapheme_breaks.txt"
_HANGUL: Final = range(0xAC00, 0xD7A4)
_FINALS: Final = 28  # Hangul syllables with one initial and one vowel: none or one of 27 finals
_BASES: Final = frozenset({"E_Base", "E_Base_GAZ"})
_JOINS: Final = {
    "L": frozenset({"L", "V", "LV", "LVT"}),
    "LV": frozenset({"V", "T"}),
    "V": frozenset({"V", "T"}),
    "LVT": frozenset({"T"}),
    "T": frozenset({"T"}),
    "ZWJ": frozenset({"Glue_After_Zwj", "E_Base_GAZ"}),
    "CR": frozenset({"LF"}),
}


def _read() -> list[tuple[int, int, str]]:
    ranges = []
    for line in _FILE.read_text("ascii").splitlines():
        if line.startswith("#"):
            continue
        name, *spans = line.split()
        for span in spans:
            first, _, last = span.partition("-")
            ranges.append((int(first, 16), int(last or first, 16), name))
    return sorted(ranges)


_RANGES: Final = _read()
_FIRSTS: Final = [first for first, _, _ in _RANGES]


def _class_of(char: str) -> str:
    code = ord(char)
    if char in "\r\n":
        return "CR" if char == "\r" else "LF"
    if code in _HANGUL:
        return "LVT" if (code - _HANGUL.start) % _FINALS else "LV"
    first, last, name = _RANGES[max(0, bisect_right(_FIRSTS, code) - 1)]
    return name if first <= code <= last else ""


def graphemes(text: str) -> Iterator[str]:
    """The clusters of `text`, in sequence; joined they are the text."""
    cluster, before, base, flags = "", "", "", 0
    for char in text:
        kind = _class_of(char)
        if cluster and not _belongs(before, kind, base, flags):
            yield cluster
            cluster, base, flags = "", "", 0
        cluster += char
        flags += kind == "Regional_Indicator"
        before = kind
        # The base that a skin-tone modifier applies to; marks in between do not matter.
        base = base if kind == "Extend" else kind
    if cluster:
        yield cluster


def _belongs(before: str, kind: str, base: str, flags: int) -> bool:
    """Whether there is no boundary between two characters (rules GB3 to GB13)."""
    if kind in _JOINS.get(before, ()):
        return True
    if before in ("Control", "CR", "LF") or kind in ("Control", "CR", "LF"):
        return False
    if kind in ("Extend", "ZWJ", "SpacingMark") or before == "Prepend":
        return True
    if kind == "E_Modifier":
        return base in _BASES
    return kind == before == "Regional_Indicator" and flags % 2 == 1

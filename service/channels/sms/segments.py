"""Counts the SMS segments of a text: GSM 03.38 with its extension table, else UCS-2 (3GPP TS 23.038).

As carriers do, neither the two septets of an extension character nor a grapheme are split over two segments, so a
text may take more segments than its length suggests (the rules of npm's sms-segments-calculator 1.3.0).
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from service.channels.sms.graphemes import graphemes

_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED: Final = frozenset("\f^{}\\[~]|€")
_GSM_7: Final = re.compile(f"[{re.escape(''.join(_BASIC | _EXTENDED))}]*")
_ONE_SEGMENT: Final = 160
_JOINED_SEGMENT: Final = 153

# Typographic characters that prevent GSM-7, and their equivalents in it.
_TWINS: Final = str.maketrans(
    {"\u00a0": " ", "\u202f": " ", "\u2009": " ", "’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-",
     "…": "...", "₹": "Rs ", "•": "*"}
)  # fmt: skip


class Segments(NamedTuple):
    """`units` are septets (GSM-7) or 16-bit units (UCS-2)."""

    encoding: str
    units: int
    count: int  # type: ignore[assignment]  # hides tuple.count, which nothing here needs


def measure(text: str) -> Segments:
    """Encoding, length and number of segments of `text`."""
    if _is_gsm_7(text):
        # Most texts fit into one segment and need not be split.
        if (units := len(text) + sum(map(text.count, _EXTENDED))) <= _ONE_SEGMENT:
            return Segments("GSM-7", units, 1)
        return _cut("GSM-7", [2 if c in _EXTENDED else 1 for c in text], _ONE_SEGMENT, _JOINED_SEGMENT)
    # CR LF counts as two graphemes here, as carriers may split it.
    wholes = (part for g in graphemes(text) for part in (g if g == "\r\n" else [g]))
    return _cut("UCS-2", [len(g.encode("utf-16-be", "surrogatepass")) // 2 for g in wholes], 70, 67)


def _is_gsm_7(text: str) -> bool:
    return _GSM_7.fullmatch(text) is not None


def outside(text: str) -> list[str]:
    """The distinct characters of `text` without a GSM-7 equivalent; any of them forces UCS-2 for the whole text."""
    return [c for c in dict.fromkeys(text.translate(_TWINS)) if c not in _BASIC and c not in _EXTENDED]


def without_outsiders(text: str) -> Segments:
    """The segments that the text would take if those characters were letters in GSM-7."""
    plain = text.translate(_TWINS)
    return measure("".join(c if c in _BASIC or c in _EXTENDED else "x" for c in plain))


def plain_enough(text: str) -> str:
    """The text with GSM-7 equivalents of typographic characters, if that alone makes it GSM-7."""
    candidate = text.translate(_TWINS)
    return candidate if _is_gsm_7(candidate) else text


def _cut(encoding: str, wholes: Iterable[int], single: int, joined: int) -> Segments:
    """Fill segments with these units, none of which is split; each of several segments has a header."""
    sizes = list(wholes)
    units = sum(sizes)
    if units <= single:
        return Segments(encoding, units, 1)
    count, used = 1, 0
    for size in sizes:
        if used + size > joined and used:
            count, used = count + 1, 0
        used += size
    return Segments(encoding, units, count)

"""How many SMS segments a text takes: GSM 03.38 with its extension table, else UCS-2 (3GPP TS 23.038).

Cut as carriers cut: neither an extension character's two septets nor a grapheme stand astride two segments, so that a
text can take more of them than its length says (the rules of npm's sms-segments-calculator 1.3.0).
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

# Typography that costs a whole text its GSM-7 encoding, and what says the same within it.
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
        # The usual text needs no look at where it would be cut.
        if (units := len(text) + sum(map(text.count, _EXTENDED))) <= _ONE_SEGMENT:
            return Segments("GSM-7", units, 1)
        return _cut("GSM-7", [2 if c in _EXTENDED else 1 for c in text], _ONE_SEGMENT, _JOINED_SEGMENT)
    # A line break of two characters is two graphemes here: nothing keeps them together.
    wholes = (part for g in graphemes(text) for part in (g if g == "\r\n" else [g]))
    return _cut("UCS-2", [len(g.encode("utf-16-be", "surrogatepass")) // 2 for g in wholes], 70, 67)


def _is_gsm_7(text: str) -> bool:
    return _GSM_7.fullmatch(text) is not None


def outside(text: str) -> list[str]:
    """The characters of `text`, each once, that GSM-7 has no twin of: any of them makes all of it UCS-2."""
    return [c for c in dict.fromkeys(text.translate(_TWINS)) if c not in _BASIC and c not in _EXTENDED]


def without_outsiders(text: str) -> Segments:
    """What the text would take, were its characters outside of GSM-7 letters within it."""
    plain = text.translate(_TWINS)
    return measure("".join(c if c in _BASIC or c in _EXTENDED else "x" for c in plain))


def plain_enough(text: str) -> str:
    """The text with GSM-7 twins of its typography, if that alone lets it be sent as GSM-7."""
    candidate = text.translate(_TWINS)
    return candidate if _is_gsm_7(candidate) else text


def _cut(encoding: str, wholes: Iterable[int], single: int, joined: int) -> Segments:
    """Fill one segment after the other with these, each whole; a segment of several carries a header."""
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

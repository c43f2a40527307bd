"""How many SMS segments a text takes: GSM 03.38 with its extension table, else UCS-2 (3GPP TS 23.038)."""

from typing import Final, NamedTuple

_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED: Final = frozenset("\f^{}\\[~]|€")


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
    if all(c in _BASIC or c in _EXTENDED for c in text):
        units = sum(2 if c in _EXTENDED else 1 for c in text)
        return Segments("GSM-7", units, _count(units, 160, 153))
    units = len(text.encode("utf-16-be", "surrogatepass")) // 2
    return Segments("UCS-2", units, _count(units, 70, 67))


def plain_enough(text: str) -> str:
    """The text with GSM-7 twins of its typography, if that alone lets it be sent as GSM-7."""
    candidate = text.translate(_TWINS)
    return candidate if measure(candidate).encoding == "GSM-7" else text


def _count(units: int, single: int, joined: int) -> int:
    return 1 if units <= single else -(-units // joined)

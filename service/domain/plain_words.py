"""Normalises what people write to letters and digits, to match whole messages with words of a list. Pure."""

import unicodedata
from typing import Final

# Combining marks of Latin, Greek and Cyrillic letters; the vowels of Indic scripts are marks, too, and are kept.
_ACCENTS: Final = ("\u0300", "\u036f")
# Characters that only change the look of the one before: variation selectors (Unicode, §23.4), enclosing marks.
_LOOKS: Final = (("\ufe00", "\ufe0f"), ("\U000e0100", "\U000e01ef"), ("\u20d0", "\u20f0"))


def plain(text: str) -> str:
    """Letters and ASCII digits in one case and width (Unicode, TR15), with single blanks between words.

    Accents of Latin letters, punctuation, emoji and invisible characters are dropped.
    """
    folded = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold())
    kept = (c for c in folded if not _ACCENTS[0] <= c <= _ACCENTS[1] and unicodedata.category(c) != "Cf")
    letters = "".join(_letter(c) for c in kept)
    return unicodedata.normalize("NFC", " ".join(letters.split()))


def _letter(c: str) -> str:
    if any(first <= c <= last for first, last in _LOOKS):
        return ""
    if unicodedata.category(c)[0] not in "LMN":
        return " "
    digit = unicodedata.digit(c, None)
    return c if digit is None else str(digit)

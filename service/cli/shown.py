"""Makes outsiders' texts safe to print on a terminal.

A name, a note or a forged dead letter may contain control sequences, which move the cursor, rewrite lines above or fill
the clipboard (CWE-150), or rich's own markup, which hides text, makes links, or is an error. Both are shown as they
are written.
"""

import unicodedata
from typing import Final

from rich.table import Table
from rich.text import Text

# Control characters, and directional formatting characters (Unicode, UAX #9).
_ACTS: Final = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs"})
# Joiners, which only affect letters of some scripts and emoji.
_JOINERS: Final = "\u200c\u200d"


def plain(text: str) -> str:
    """The text with control characters escaped; line ends and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in "\n\t" or not _acts(c) else ascii(c)[1:-1] for c in text)


def _acts(c: str) -> bool:
    return c not in _JOINERS and unicodedata.category(c) in _ACTS


def add_row(table: Table, *cells: str) -> None:
    """Add a row whose cells are not interpreted as markup."""
    table.add_row(*(Text(plain(cell)) for cell in cells))

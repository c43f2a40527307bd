"""What outsiders wrote, as a terminal may show it.

A name, a note or a forged dead letter may hold control sequences, which move the cursor, rewrite lines above or fill
the clipboard (CWE-150), or rich's own markup, which hides text, makes links, or is an error. Both are shown as they
are written.
"""

import unicodedata
from typing import Final

from rich.table import Table
from rich.text import Text

# Controls, and what turns the direction of what follows (Unicode, UAX #9).
_ACTS: Final = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs"})
# They join the letters of some scripts and emoji, and do nothing else.
_JOINERS: Final = "\u200c\u200d"


def plain(text: str) -> str:
    """The text with everything that would act on a terminal spelled out; line ends and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in "\n\t" or not _acts(c) else ascii(c)[1:-1] for c in text)


def _acts(c: str) -> bool:
    return c not in _JOINERS and unicodedata.category(c) in _ACTS


def add_row(table: Table, *cells: str) -> None:
    """A row whose cells hold no markup."""
    table.add_row(*(Text(plain(cell)) for cell in cells))

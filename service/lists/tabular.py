"""Cells for spreadsheets."""

from datetime import datetime
from typing import Final

# First characters of formulas, including full-width forms (OWASP, "CSV Injection").
_SIGNS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_AS_TEXT: Final = "'"
# The additional column of exports: when each row was added.
ADDED: Final = "added"


def plain(value: object) -> object:
    """A cell's text: times without fractions, empty for None, formulas escaped (OWASP, "CSV Injection")."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, str) and value[:1] in _SIGNS:
        return f"{_AS_TEXT}{value}"
    return "" if value is None else value


def typed(cell: str) -> str:
    """The cell before `plain`: without the apostrophe that marks text."""
    return cell[1:] if cell[:1] == _AS_TEXT and cell[1:2] in _SIGNS else cell

"""Cells of tables that are opened in spreadsheets."""

from datetime import datetime
from typing import Final

# What spreadsheets take for the beginning of a formula, also in its wide forms (OWASP, "CSV Injection").
_SIGNS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_AS_TEXT: Final = "'"
# The column that exports have besides those of their list: when each row came to it.
ADDED: Final = "added"


def plain(value: object) -> object:
    """A cell: times without fractions, nothing for None, and no formula (OWASP, "CSV Injection")."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, str) and value[:1] in _SIGNS:
        return f"{_AS_TEXT}{value}"
    return "" if value is None else value


def typed(cell: str) -> str:
    """A cell as it was before `plain`: the sign by which what follows is a text, and no formula, is no part of it."""
    return cell[1:] if cell[:1] == _AS_TEXT and cell[1:2] in _SIGNS else cell

"""Cells of tables that are opened in spreadsheets."""

from datetime import datetime


def plain(value: object) -> object:
    """A cell: times without fractions, nothing for None, and no formula (OWASP, "CSV Injection")."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return "" if value is None else value

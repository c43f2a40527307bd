"""Rows of lists from files, calls and events: parsed, checked, mapped to columns, and exported."""

"""Rows of orders' lists: stored first, taken by the event that names them, shown a page at a time."""

"""Rows of orders' lists: stored first, added to the list by the event that names them, read by pages."""

"""Rows of lists as people and files bring them: read, checked, mapped to columns, and written out again."""

"""Notices' texts that people edit at the desk: drafts, their history, and published texts."""

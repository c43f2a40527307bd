"""Escalations and incidents, teams' digests and reports."""

"""Editing texts at the desk: drafts, their checks, publishing, and the published texts over those of the folder."""

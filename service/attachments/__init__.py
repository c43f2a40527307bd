"""Attachments of notes: accepted types of files, and their stores."""

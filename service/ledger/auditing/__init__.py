"""The audit log: its chain of lines, written and read."""

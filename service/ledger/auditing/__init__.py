"""The audit log: writing, reading and verifying its chain of lines."""

"""The outbox's way to the broker."""

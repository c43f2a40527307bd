"""Intake: events are read, decided and committed in batches, then acknowledged."""

"""Escalations, incidents, digests and report subscriptions."""

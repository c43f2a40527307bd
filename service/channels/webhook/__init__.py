"""Signed webhooks, for readers that are machines."""

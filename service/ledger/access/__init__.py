"""API keys, desk sessions, and recorded responses of idempotent requests."""

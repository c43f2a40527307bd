"""API keys, sessions, and answers kept for repeated calls."""

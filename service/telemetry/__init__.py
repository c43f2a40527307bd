"""Logs, metrics and traces for operators; without codes, addresses or names."""

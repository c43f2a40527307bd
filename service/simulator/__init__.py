"""Simulates orders of any pack by its `demo` section."""

"""Promises: orders are woken when one of their clocks or escalations is due."""

"""Stagebell: order notices that arrive once and in sequence, and a clock for every promise."""

__version__ = "0.1.0"

"""Running loops: with back-off after errors, started and ended together."""

"""What operators see: logs, metrics and traces; never a code, an address or a name."""

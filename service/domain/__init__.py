"""Pure heart: frozen data and functions; takes a time, never reads one; does no I/O."""

"""How loops run, wait after trouble, and are started and ended together."""

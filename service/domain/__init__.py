"""The pure core: frozen data and functions that take the time as an argument and do no I/O."""

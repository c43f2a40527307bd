"""Orders: locking, searching, reading, and writing the changes of decisions."""

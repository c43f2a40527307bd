"""Personal data: access and erasure."""

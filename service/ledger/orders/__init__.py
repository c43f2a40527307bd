"""Orders: locked, searched, shown, and what a decision writes."""

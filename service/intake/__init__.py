"""Events in: read, decided and committed in batches, then acknowledged; what is refused keeps its reason."""

"""Previews of a pack's effects: orders simulated or replayed in memory by the same `decide`; nothing is sent."""

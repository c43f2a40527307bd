"""What a pack would do, seen before it is live: orders played in memory by the same `decide`, and nothing sent."""

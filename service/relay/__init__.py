"""The relay, which sends what is in the outbox."""

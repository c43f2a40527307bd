"""Messages: claimed, sent, settled, capped and suppressed; the outbox."""

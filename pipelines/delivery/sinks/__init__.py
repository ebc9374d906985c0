"""Where events go: the ends of the outbox."""

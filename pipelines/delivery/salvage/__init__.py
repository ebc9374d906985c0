"""What can still be read of a damaged outbox, and how it takes the outbox's place."""

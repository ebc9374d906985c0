"""`Sink`: what the relay needs from a place where events go."""

from __future__ import annotations

from typing import Protocol


class Sink(Protocol):
    """Takes events, at least once each; called from one thread of its own."""

    @property
    def name(self) -> str:
        """Unique and stable: delivery progress is kept under it."""
        ...

    def deliver(self, body: bytes, event_id: str) -> None:
        """Hands over one event and returns once the other side has acknowledged it.

        Args:
            body: CloudEvents structured JSON, the same bytes at every attempt.
            event_id: The event's id, for deduplication.

        Raises:
            SinkUnavailable: Try again later.
            SinkRefused: This event is not accepted, however often it is sent.
            SinkGone: Nothing must be sent any more.
        """
        ...

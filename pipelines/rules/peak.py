"""`PeakWatch`: when an incident was greatest, and whether that has been published.

What was published survives a crash of the worker, and what was not does not. So a greater peak is
published soon, but not for each of the frames in which a crowd grows.
"""

from __future__ import annotations

from typing import Final

from pipelines.incident import Peak

EVERY_S: Final = 10.0
"""Least seconds between two events that a greater size alone brings."""

EVERY_SHARE: Final = 0.1
"""The same as a share of the age of the incident: what grows for hours is not told for hours."""


class PeakWatch:
    """One incident from its opening on.

    Attributes:
        value: When it was greatest; None while the rule says no size.
    """

    def __init__(self, first: Peak, opened_s: float, at_s: float) -> None:
        """Begins with the reading that opened the incident, which is published at once.

        Args:
            first: The reading.
            opened_s: When the incident began, monotonic seconds.
            at_s: The time of the reading.
        """
        self.value = first if first.size else None
        self._opened_s = opened_s
        self._published_s = at_s
        self._pending = False

    def observe(self, peak: Peak) -> bool:
        """Takes a reading that holds; whether it is the greatest so far."""
        if not peak.size or not peak.exceeds(self.value):
            return False
        self.value, self._pending = peak, True
        return True

    def is_due(self, at_s: float) -> bool:
        """Whether a peak that is greater than the published one should be published now."""
        wait_s = max(EVERY_S, EVERY_SHARE * (at_s - self._opened_s))
        return self._pending and at_s - self._published_s >= wait_s

    def publish(self, at_s: float) -> Peak | None:
        """Notes that the value is published now, and gives it."""
        if self._pending:
            self._pending, self._published_s = False, at_s
        return self.value

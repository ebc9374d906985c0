"""`SteadyCount`: a number over the newest seconds, so that no odd frame decides."""

from __future__ import annotations

import statistics
from collections import deque
from typing import Final

TOLERANCE_S: Final = 1e-6
"""So that it makes no difference how exactly a clock has a count at the very edge of the span."""


class SteadyCount:
    """The counts of the newest seconds."""

    def __init__(self, span_s: float) -> None:
        """Keeps those of `span_s` seconds."""
        self._span_s = span_s
        self._counts: deque[tuple[float, int]] = deque()

    def add(self, count: int, at_s: float) -> int:
        """Takes the count of a frame; gives the median, the lower of two."""
        counts = self._counts
        if counts and at_s < counts[-1][0]:
            counts.clear()
        counts.append((at_s, count))
        while counts[0][0] <= at_s - self._span_s + TOLERANCE_S:
            counts.popleft()
        return statistics.median_low(count for _, count in counts)

    @property
    def spread(self) -> float:
        """Standard deviation."""
        return statistics.pstdev(count for _, count in self._counts) if self._counts else 0.0

"""Back-off: how long to leave a failing camera alone. Grows to a cap and never synchronises.

A login that is refused takes the slow path, because cameras lock accounts after a few tries.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryDelays:
    """Waiting times between attempts; the last of each row repeats.

    Attributes:
        soon_s: For faults that pass by themselves, in seconds.
        slow_s: For faults where a quick retry is pointless or locks an account, in seconds.
        jitter: Every wait is varied by up to this share of itself, up or down.
    """

    soon_s: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 15.0)
    slow_s: tuple[float, ...] = (60.0, 300.0, 900.0)
    jitter: float = 0.2

    def __post_init__(self) -> None:
        if not self.soon_s or not self.slow_s:
            raise ValueError("retry delays need at least one step each")


class Backoff:
    """Counts the failures of one camera and says how long to wait."""

    def __init__(
        self, delays: RetryDelays, uniform: Callable[[float, float], float] = random.uniform
    ) -> None:
        """Starts with no failures.

        Args:
            delays: The waiting times.
            uniform: Draws a number between two; injected so that tests know it.
        """
        self._delays = delays
        self._uniform = uniform
        self._soon = 0
        self._slow = 0

    def next_s(self, *, slow: bool) -> float:
        """How long to wait after one more failure, in seconds."""
        if slow:
            step_s = _step(self._delays.slow_s, self._slow)
            self._slow += 1
        else:
            step_s = _step(self._delays.soon_s, self._soon)
            self._soon += 1
        return step_s * self._uniform(1 - self._delays.jitter, 1 + self._delays.jitter)

    def reset(self) -> None:
        """The camera has been well for a while: the next failure is a first one."""
        self._soon = self._slow = 0


def _step(row: tuple[float, ...], failures: int) -> float:
    return row[min(failures, len(row) - 1)]

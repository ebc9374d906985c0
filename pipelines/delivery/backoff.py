"""When to deliver again: waits that grow with failures in a row.

It works on monotonic seconds that the caller passes in, so that tests need no waiting.
"""

from __future__ import annotations

import random

from camera_adapters.backoff import BackoffPolicy, Jitter


class Backoff:
    """Failures in a row of one thing, and when it is due again."""

    def __init__(
        self, policy: BackoffPolicy, jitter: Jitter = random.random, threshold: int = 1
    ) -> None:
        """Starts without failures.

        Args:
            policy: How waits grow.
            jitter: Varies waits.
            threshold: Failures in a row from which there is a wait; then one try at a time is due.
        """
        self._policy = policy
        self._jitter = jitter
        self._threshold = threshold
        self.succeeded()

    def due_in_s(self, now_s: float) -> float:
        """Seconds until the next try is due; 0 when it is."""
        return max(0.0, self._due_s - now_s)

    def failed(self, now_s: float, at_least_s: float = 0.0) -> None:
        """Counts a failure and postpones the next try.

        Args:
            now_s: Monotonic seconds.
            at_least_s: A wait that the other side asked for, seconds; it counts at once.
        """
        self._failures += 1
        if self._failures >= self._threshold or at_least_s > 0:
            self._waits += 1
            wait_s = max(at_least_s, self._policy.wait_s(self._waits, self._jitter))
            self._due_s = now_s + wait_s

    def succeeded(self) -> None:
        """Forgets all failures."""
        self._failures = self._waits = 0
        self._due_s = float("-inf")

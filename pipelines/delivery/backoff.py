"""When to deliver again: growing waits, and a breaker that spares a sink that is down.

Both work on monotonic seconds that the caller passes in, so that tests need no waiting.
"""

from __future__ import annotations

import random

from camera_adapters.backoff import BackoffPolicy, Jitter


class Backoff:
    """Failures in a row of one thing, and when it is due again."""

    def __init__(self, policy: BackoffPolicy, jitter: Jitter = random.random) -> None:
        self._policy = policy
        self._jitter = jitter
        self._due_s = float("-inf")
        self.failures = 0

    def due_in_s(self, now_s: float) -> float:
        """Seconds until the next try is due; 0 when it is."""
        return max(0.0, self._due_s - now_s)

    def failed(self, now_s: float, at_least_s: float = 0.0) -> None:
        """Counts a failure and postpones the next try.

        Args:
            now_s: Monotonic seconds.
            at_least_s: A wait that the other side asked for, seconds.
        """
        self.failures += 1
        wait_s = max(at_least_s, self._policy.wait_s(self.failures, self._jitter))
        self._due_s = now_s + wait_s

    def succeeded(self) -> None:
        """Forgets all failures."""
        self.failures = 0
        self._due_s = float("-inf")


class Breaker:
    """Opens after some failures in a row; then one probe at a time goes through."""

    def __init__(
        self, policy: BackoffPolicy, threshold: int = 5, jitter: Jitter = random.random
    ) -> None:
        self._backoff = Backoff(policy, jitter)
        self._threshold = threshold
        self._failures = 0

    @property
    def open(self) -> bool:
        """Whether the other side counts as down."""
        return self._failures >= self._threshold

    def due_in_s(self, now_s: float) -> float:
        """Seconds until something may be sent; 0 when it may."""
        return self._backoff.due_in_s(now_s)

    def failed(self, now_s: float, at_least_s: float = 0.0) -> None:
        """Counts a failure; an open breaker, or a wait that was asked for, keeps everything back.

        Args:
            now_s: Monotonic seconds.
            at_least_s: A wait that the other side asked for, seconds.
        """
        self._failures += 1
        if self.open or at_least_s > 0:
            self._backoff.failed(now_s, at_least_s)

    def succeeded(self) -> None:
        """Closes the breaker."""
        self._failures = 0
        self._backoff.succeeded()

"""When to try again: growing, jittered waits, and a breaker that spares who is down.

Both work on monotonic seconds that the caller passes in, so that tests need no waiting.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

Jitter = Callable[[], float]
"""A random number in 0..1; `random.random` outside tests."""


@dataclass(frozen=True, slots=True)
class BackoffPolicy:
    """How waits grow.

    Attributes:
        first_s: The wait after the first failure, seconds.
        cap_s: The longest wait, seconds.
        factor: Growth per further failure.
        spread: Each wait is varied by up to this fraction either way, so that many waiters part.
    """

    first_s: float = 1.0
    cap_s: float = 60.0
    factor: float = 2.0
    spread: float = 0.2

    def wait_s(self, failures: int, jitter: Jitter) -> float:
        """Seconds to wait after this many failures in a row (1 or more)."""
        # The exponent is bounded so that a year of failures cannot overflow a float.
        grown = min(self.cap_s, self.first_s * self.factor ** min(failures - 1, 64))
        return grown * (1 + self.spread * (2 * jitter() - 1))


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

"""Back-off: how long to leave alone what fails. Grows to a cap and never synchronises.

A login that is refused takes the slow path, because cameras lock accounts after a few tries.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

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

    def wait_s(self, failures: int, jitter: Jitter = random.random) -> float:
        """Seconds to wait after this many failures in a row; nothing after none."""
        if not failures:
            return 0.0
        # The exponent is bounded so that a year of failures cannot overflow a float.
        grown = min(self.cap_s, self.first_s * self.factor ** min(failures - 1, 64))
        return grown * (1 + self.spread * (2 * jitter() - 1))


class RestartLimit:
    """Whether something is restarted so often that another restart will not help."""

    def __init__(self, most: int, within_s: float) -> None:
        """Allows so many restarts within so many seconds."""
        self._within_s = within_s
        self._noted_s: deque[float] = deque(maxlen=most)

    def recent(self, now_s: float) -> int:
        """How many restarts there were lately."""
        return sum(now_s - one < self._within_s for one in self._noted_s)

    def note(self, now_s: float) -> bool:
        """Counts a restart at a monotonic time; false where that would be one too many."""
        if self.recent(now_s) == self._noted_s.maxlen:
            return False
        self._noted_s.append(now_s)
        return True


@dataclass(frozen=True, slots=True)
class RetryDelays:
    """Waits between attempts: for faults that pass by themselves, and where a retry does harm."""

    soon: BackoffPolicy = BackoffPolicy(first_s=1.0, cap_s=15.0)
    slow: BackoffPolicy = BackoffPolicy(first_s=60.0, cap_s=900.0, factor=5.0)


@dataclass(slots=True)
class CameraBackoff:
    """Counts the failures of one camera, apart for either kind, and says how long to wait."""

    delays: RetryDelays
    jitter: Jitter = random.random
    _failures: dict[bool, int] = field(default_factory=lambda: {False: 0, True: 0})

    def next_s(self, *, slow: bool) -> float:
        """How long to wait after one more failure, in seconds."""
        self._failures[slow] += 1
        policy = self.delays.slow if slow else self.delays.soon
        return policy.wait_s(self._failures[slow], self.jitter)

    def reset(self) -> None:
        """The camera has been well for a while: the next failure is a first one."""
        self._failures = {False: 0, True: 0}

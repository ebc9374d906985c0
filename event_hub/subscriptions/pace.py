"""`MessagePace`: how many messages a receiver takes in a minute; more would lock it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

MINUTE_S: Final = 60.0


class MessagePace:
    """Counts what was sent to one receiver in the last minute."""

    def __init__(self, per_minute: float, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock_s = clock_s
        self._sent_s: deque[float] = deque()

    def wait_s(self) -> float:
        """Seconds until one more may be sent; 0 for at once."""
        if self.room() > 0:
            return 0.0
        return max(MINUTE_S - (self._clock_s() - self._sent_s[0]), 0.0)

    def room(self) -> float:
        """How many more may be sent now."""
        self._forget()
        return self._per_minute - len(self._sent_s)

    def note(self) -> None:
        """One was sent."""
        if self._per_minute != float("inf"):
            self._sent_s.append(self._clock_s())

    def is_idle(self) -> bool:
        """Whether nothing was sent in the last minute: then a new one would count the same."""
        self._forget()
        return not self._sent_s

    def _forget(self) -> None:
        now_s = self._clock_s()
        while self._sent_s and now_s - self._sent_s[0] >= MINUTE_S:
            self._sent_s.popleft()

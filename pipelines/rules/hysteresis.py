"""Hysteresis in time: a condition opens after it has held, and ends after it has not, for seconds.

Guarantees: openings and endings alternate; nothing opens from observations that never hold; time
without observations counts neither as held nor as not held. Times are monotonic seconds.
"""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import dataclass

MIN_GAP_S = 2.5
MAX_GAP_S = 10.0
GAP_FACTOR = 3.0
"""A pause is a gap if it is this many times longer than the usual one."""

SPANS_KEPT = 9
TOLERANCE_S = 1e-6


@dataclass(frozen=True, slots=True)
class HysteresisWindows:
    """How long a condition must hold until it opens, and must not until it ends.

    Attributes:
        confirm_s: How long it must hold until it opens, seconds of observed time.
        expire_s: How long it must not hold until it ends, seconds of observed time.
        cooldown_s: How long after an end it cannot open again, seconds.
        confirm_share: Share of `confirm_s` in which it must hold.
        expire_share: Share of `expire_s` in which it must not hold.
    """

    confirm_s: float
    expire_s: float
    cooldown_s: float = 0.0
    confirm_share: float = 0.7
    expire_share: float = 0.9


@dataclass(frozen=True, slots=True)
class Edge:
    """The condition opened or ended.

    Attributes:
        opened: True for an opening, False for an ending.
        since_s: When it began to hold, or ceased to: earlier than the moment that confirms it.
    """

    opened: bool
    since_s: float


class Cadence:
    """Finds gaps in observation at any frame rate, by the usual time between observations."""

    def __init__(self) -> None:
        self._spans: deque[float] = deque(maxlen=SPANS_KEPT)
        self._last_s: float | None = None

    def observe(self, at_s: float) -> float | None:
        """Seconds since the previous observation; None if there was none, or a gap since."""
        last_s, self._last_s = self._last_s, at_s
        if last_s is None or at_s < last_s:
            return None
        span_s = at_s - last_s
        self._spans.append(span_s)
        usual_s = statistics.median(self._spans)
        return span_s if span_s <= min(max(GAP_FACTOR * usual_s, MIN_GAP_S), MAX_GAP_S) else None


@dataclass(slots=True)
class _Stretch:
    start_s: float
    held: bool
    length_s: float = 0.0


class _Sustained:
    """Whether something has been so for long enough, robust against single ones that differ."""

    def __init__(self, needed_s: float, share: float) -> None:
        self._needed_s = needed_s
        self._share = share
        self._stretches: deque[_Stretch] = deque()
        self._known = False

    @property
    def since_s(self) -> float:
        """When it began to be so."""
        return self._stretches[0].start_s

    @property
    def run_since_s(self) -> float | None:
        """Since when it has been so without interruption; None if it is not so now."""
        newest = self._stretches[-1] if self._stretches else None
        return newest.start_s if newest and newest.held else None

    @property
    def reached(self) -> bool:
        """Whether it has been so for long enough."""
        total_s = self._total_s()
        if not self._stretches or total_s < self._needed_s - TOLERANCE_S:
            return False
        held_s = sum(stretch.length_s for stretch in self._stretches if stretch.held)
        # Only the newest `needed_s` count; what is older lies in the first stretch, which held.
        held_s -= total_s - self._needed_s
        return held_s >= self._share * self._needed_s - TOLERANCE_S

    def observe(self, held: bool | None, at_s: float, span_s: float) -> None:
        """Counts the span since the previous observation as what that one saw; None: unknown."""
        if self._known and self._stretches:
            self._stretches[-1].length_s += span_s
        self._known = held is not None
        if held is not None and (held if not self._stretches else held != self._stretches[-1].held):
            self._stretches.append(_Stretch(at_s, held))
        self._forget()

    def clear(self) -> None:
        """Forgets all."""
        self._stretches.clear()
        self._known = False

    def _total_s(self) -> float:
        return sum(stretch.length_s for stretch in self._stretches)

    def _forget(self) -> None:
        """Drops what is older than needed, so that it always begins with a stretch that holds."""
        surplus_s = self._total_s() - self._needed_s
        while self._stretches:
            oldest = self._stretches[0]
            if oldest.held and (oldest.length_s > surplus_s or len(self._stretches) == 1):
                return
            surplus_s -= oldest.length_s
            self._stretches.popleft()


class Hysteresis:
    """One condition at one place, from observation to observation."""

    def __init__(self, windows: HysteresisWindows) -> None:
        self._cooldown_s = windows.cooldown_s
        self._on = _Sustained(windows.confirm_s, windows.confirm_share)
        self._off = _Sustained(windows.expire_s, windows.expire_share)
        self._cadence = Cadence()
        self._cool_at_s = float("-inf")
        self.is_open = False

    def observe(self, holds: bool | None, at_s: float) -> Edge | None:
        """Takes one observation.

        Args:
            holds: Whether the condition holds; None where that cannot be known.
            at_s: Its monotonic time, seconds.

        Returns:
            What it changed, if it changed anything.
        """
        span_s = self._cadence.observe(at_s)
        if span_s is None:
            self._on.clear()
            self._off.clear()
        self._on.observe(holds, at_s, span_s or 0.0)
        self._off.observe(None if holds is None else not holds, at_s, span_s or 0.0)
        if self.is_open:
            return self._end() if holds is False and self._off.reached else None
        if holds and self._on.reached and at_s >= self._cool_at_s:
            return self._open()
        return None

    def is_cool(self, at_s: float) -> bool:
        """Whether the cool-down after the last end is over."""
        return at_s >= self._cool_at_s

    def close(self) -> float | None:
        """Ends without an observation: the next opening needs a whole confirmation again.

        Returns:
            Since when it has not held, seconds; None if it held until the end.
        """
        since_s = self._off.run_since_s
        self.is_open = False
        self._on.clear()
        self._off.clear()
        return since_s

    def _open(self) -> Edge:
        self.is_open = True
        self._off.clear()
        return Edge(opened=True, since_s=self._on.since_s)

    def _end(self) -> Edge:
        since_s = self._off.since_s
        self.close()
        self._cool_at_s = since_s + self._cooldown_s
        return Edge(opened=False, since_s=since_s)

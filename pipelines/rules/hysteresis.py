"""`Hysteresis`: from observations of one condition to when it opens and when it ends.

Nothing opens from observations that never hold, and time without observations counts neither as
held nor as not held.
"""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import dataclass

from pipelines.rules.condition import SituationStage

MIN_GAP_S = 2.5
MAX_GAP_S = 10.0
GAP_FACTOR = 3.0
"""A pause is a gap if it is this many times longer than the usual one."""

SPANS_KEPT = 9
CONFIRM_SHARE, EXPIRE_SHARE = 0.7, 0.9
"""Shares of the two windows in which it must hold, and must not."""

TOLERANCE_S = 1e-6


@dataclass(frozen=True, slots=True)
class Edge:
    """The condition opened or ended.

    Attributes:
        opened: True for an opening, False for an ending.
        since_s: When it began to hold, or ceased to: earlier than the moment that confirms it.
    """

    opened: bool
    since_s: float


@dataclass(slots=True)
class _Stretch:
    start_s: float
    held: bool
    length_s: float = 0.0


class _Sustained:
    """Whether something has been so for long enough, robust against single ones that differ.

    Attributes:
        stretches: What was observed lately, oldest first; the oldest one holds.
    """

    def __init__(self, needed_s: float, share: float) -> None:
        self._needed_s = needed_s
        self._share = share
        self.stretches: deque[_Stretch] = deque()
        self._known = False

    @property
    def run_since_s(self) -> float | None:
        """Since when it has been so without interruption; None if it is not so now."""
        newest = self.stretches[-1] if self.stretches else None
        return newest.start_s if newest and newest.held else None

    def observe(self, held: bool | None, at_s: float, span_s: float) -> bool:
        """Counts the span since the previous observation as what that one saw; None: unknown.

        Returns:
            Whether it has been so for long enough.
        """
        if self._known and self.stretches:
            self.stretches[-1].length_s += span_s
        self._known = held is not None
        if held is not None and (held if not self.stretches else held != self.stretches[-1].held):
            self.stretches.append(_Stretch(at_s, held))
        # What is older than needed is dropped; the oldest stretch is always one that holds.
        total_s = sum(stretch.length_s for stretch in self.stretches)
        while self.stretches:
            oldest = self.stretches[0]
            surplus_s = total_s - self._needed_s
            if oldest.held and (oldest.length_s > surplus_s or len(self.stretches) == 1):
                break
            total_s -= oldest.length_s
            self.stretches.popleft()
        if not self.stretches or total_s < self._needed_s - TOLERANCE_S:
            return False
        held_s = sum(stretch.length_s for stretch in self.stretches if stretch.held)
        # Only the newest `needed_s` count; what is older lies in the first stretch, which held.
        held_s -= total_s - self._needed_s
        return held_s >= self._share * self._needed_s - TOLERANCE_S

    @property
    def counted_s(self) -> float:
        """Of the newest seconds that matter, those in which it was so."""
        held_s = sum(stretch.length_s for stretch in self.stretches if stretch.held)
        return min(held_s, self._needed_s)

    def clear(self) -> None:
        """Forgets all."""
        self.stretches.clear()
        self._known = False


class Hysteresis:
    """One condition at one place, from observation to observation."""

    def __init__(self, confirm_s: float, expire_s: float, cooldown_s: float = 0.0) -> None:
        """Begins closed, with no observation.

        Args:
            confirm_s: How long it must hold until it opens, seconds of observed time.
            expire_s: How long it must not hold until it ends, seconds of observed time.
            cooldown_s: How long after an end it cannot open again, seconds.
        """
        self._confirm_s, self._expire_s = confirm_s, expire_s
        self._cooldown_s = cooldown_s
        self._on = _Sustained(confirm_s, CONFIRM_SHARE)
        self._off = _Sustained(expire_s, EXPIRE_SHARE)
        self._spans: deque[float] = deque(maxlen=SPANS_KEPT)
        self._last_s: float | None = None
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
        last_s, self._last_s = self._last_s, at_s
        is_gap, span_s = True, 0.0
        if last_s is not None and at_s >= last_s:
            span_s = at_s - last_s
            self._spans.append(span_s)
            usual_s = statistics.median(self._spans)
            is_gap = span_s > min(max(GAP_FACTOR * usual_s, MIN_GAP_S), MAX_GAP_S)
        if is_gap:
            self._on.clear()
            self._off.clear()
        on = self._on.observe(holds, at_s, span_s)
        off = self._off.observe(None if holds is None else not holds, at_s, span_s)
        if self.is_open:
            return self._end() if holds is False and off else None
        if holds and on and self.is_cool(at_s):
            self.is_open = True
            self._off.clear()
            return Edge(opened=True, since_s=self._on.stretches[0].start_s)
        return None

    def is_cool(self, at_s: float) -> bool:
        """Whether the cool-down after the last end is over."""
        return at_s >= self._cool_at_s

    def cool_until(self, until_s: float) -> None:
        """Lets nothing open before a monotonic time."""
        self._cool_at_s = max(self._cool_at_s, until_s)

    def progress(self, at_s: float) -> tuple[SituationStage, float, float]:
        """How far it is, and how many seconds of the window of that stage are over, of how many."""
        if self.is_open:
            ending_s = self._off.counted_s
            return (
                SituationStage.ENDING if ending_s else SituationStage.OPEN,
                ending_s,
                self._expire_s,
            )
        if not self.is_cool(at_s):
            return (
                SituationStage.COOLING,
                self._cooldown_s - (self._cool_at_s - at_s),
                self._cooldown_s,
            )
        confirming_s = self._on.counted_s
        stage = SituationStage.CONFIRMING if self._on.stretches else SituationStage.WATCHING
        return stage, confirming_s, self._confirm_s

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

    def _end(self) -> Edge:
        since_s = self._off.stretches[0].start_s
        self.close()
        self._cool_at_s = since_s + self._cooldown_s
        return Edge(opened=False, since_s=since_s)

"""Coverage: what became of every second for which a task was asked to watch a camera.

"No incident" and "not looking" are different answers. A second counts as watched only where it lies
between two analysed frames that are no further apart than the task tolerates; nothing is credited
because a clock went on. `able_s` and `gaps` together are `requested_s`, so every gap has a reason.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

COVERAGE: Final = "coverage"
"""The kind of its measurements."""

CONNECTING: Final = "connecting"
OFFLINE: Final = "offline"
UNAUTHORIZED: Final = "unauthorized"
NO_FRAMES: Final = "no_frames"
OVERLOADED: Final = "overloaded"
MODEL_FAILED: Final = "model_failed"
WORKER_DOWN: Final = "worker_down"
STOPPED: Final = "stopped"
FROZEN: Final = "frozen"

NOT_WATCHED: Final = frozenset(
    {CONNECTING, OFFLINE, UNAUTHORIZED, NO_FRAMES, OVERLOADED, MODEL_FAILED, WORKER_DOWN, STOPPED}
)
"""Reasons for which nobody watched; with every other reason frames were analysed and did not show
the place."""

LATE_S: Final = 2.0
"""How long the result of a frame that counts may take, seconds."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Seconds of a period; see `pipelines.event.CoverageData`."""

    requested_s: float
    watched_s: float
    able_s: float
    gaps: Mapping[str, float]


NO_COVERAGE: Final = Coverage(0.0, 0.0, 0.0, {})
"""Of no time at all."""


@dataclass(frozen=True, slots=True)
class CoveredPeriod:
    """What one task could see of one camera in a period, UTC."""

    camera: str
    task: str
    begins_at: datetime
    ends_at: datetime
    coverage: Coverage


@dataclass(slots=True)
class _Span:
    """A stretch of time in monotonic seconds; its gap is empty where the task could see."""

    begin_s: float
    end_s: float
    gap: str


class TaskCoverage:
    """What became of the time of one task, newest last. Not thread-safe.

    Attributes:
        until_s: Up to when that is known, monotonic seconds.
    """

    def __init__(self, tolerance_s: float, begin_s: float) -> None:
        """Starts to count.

        Args:
            tolerance_s: How far apart two analysed frames may be for the time between them to count
                as watched.
            begin_s: From when on the task is asked for.
        """
        self.until_s = begin_s
        self._tolerance_s = tolerance_s
        self._frame_s: float | None = None
        self._spans: deque[_Span] = deque()

    def analysed(self, at_s: float, gap: str, missing: Callable[[], str]) -> None:
        """A frame was analysed.

        Args:
            at_s: When it arrived.
            gap: Why it does not show the place; empty where it does.
            missing: Gives why there was none before it; only called if it comes too late.
        """
        last_s, self._frame_s = self._frame_s, at_s
        in_time = last_s is not None and at_s - last_s <= self._tolerance_s
        self._extend(at_s, gap if in_time else missing())

    def missing(self, now_s: float, reason: str) -> None:
        """Says why there are no frames, where one is overdue."""
        if self.is_overdue(now_s):
            self._extend(now_s, reason)

    def is_overdue(self, now_s: float) -> bool:
        """Whether a frame that came now would be too late for the time before it to count."""
        return self._frame_s is None or now_s - self._frame_s > self._tolerance_s + LATE_S

    def close(self, now_s: float, reason: str) -> None:
        """No frame follows: what is not known yet was not watched."""
        self._extend(now_s, reason)

    def relabel(self, since_s: float, gap: str) -> None:
        """It turns out that nothing has been seen since then."""
        kept: deque[_Span] = deque()
        for span in self._spans:
            if span.gap or span.end_s <= since_s:
                kept.append(span)
                continue
            if span.begin_s < since_s:
                kept.append(_Span(span.begin_s, since_s, ""))
            kept.append(_Span(max(span.begin_s, since_s), span.end_s, gap))
        self._spans = kept

    def forget(self, before_s: float) -> None:
        """Nobody will ask for the time before."""
        while self._spans and self._spans[0].end_s <= before_s:
            self._spans.popleft()

    def coverage(self, begin_s: float, end_s: float) -> Coverage:
        """What is known of a period."""
        seconds: defaultdict[str, float] = defaultdict(float)
        for span in self._spans:
            overlap_s = min(span.end_s, end_s) - max(span.begin_s, begin_s)
            if overlap_s > 0:
                seconds[span.gap] += overlap_s
        return coverage_of(seconds)

    def _extend(self, until_s: float, gap: str) -> None:
        if until_s <= self.until_s:
            return
        last = self._spans[-1] if self._spans else None
        if last is not None and last.gap == gap and last.end_s == self.until_s:
            last.end_s = until_s
        else:
            self._spans.append(_Span(self.until_s, until_s, gap))
        self.until_s = until_s


def coverage_of(seconds: Mapping[str, float]) -> Coverage:
    """From seconds by gap; those under the empty one are without."""
    # The sums are made of what is said, so that they hold to the last digit.
    gaps = {gap: round(s, 3) for gap, s in sorted(seconds.items()) if gap and round(s, 3) > 0}
    able_s = round(seconds.get("", 0.0), 3)
    unseen_s = sum(s for gap, s in gaps.items() if gap not in NOT_WATCHED)
    watched_s, requested_s = able_s + unseen_s, able_s + sum(gaps.values())
    return Coverage(round(requested_s, 3), round(watched_s, 3), able_s, gaps)


def missing_period(
    camera: str, task: str, begins_at: datetime, ends_at: datetime, reason: str
) -> CoveredPeriod:
    """A period of which nothing was watched."""
    seconds = {reason: (ends_at - begins_at).total_seconds()}
    return CoveredPeriod(camera, task, begins_at, ends_at, coverage_of(seconds))


def total_coverage(parts: Iterable[Coverage]) -> Coverage:
    """The coverage of several periods together."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for part in parts:
        seconds[""] += part.able_s
        for gap, gap_s in part.gaps.items():
            seconds[gap] += gap_s
    return coverage_of(seconds)

"""`CoverageLedger`: the coverage of one camera, task by task and period by period.

Periods follow the wall clock and their seconds the monotonic one, so a clock that is set makes no
second count twice. A period is given away a while after its end, when whatever was noticed late of
it is known: a lens that was covered is told after some seconds, a frozen image after most of a
minute.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from camera_adapters import FROZEN_AFTER_S
from pipelines.coverage import (
    CONNECTING,
    FROZEN,
    LATE_S,
    MODEL_FAILED,
    NO_COVERAGE,
    NO_FRAMES,
    OVERLOADED,
    WORKER_DOWN,
    Coverage,
    CoveredPeriod,
    TaskCoverage,
    total_coverage,
)

SETTLE_S: Final = 75.0
"""How long after its end a period is given away at the earliest, seconds: longer than an image must
be frozen, or a view at fault, until it is told."""

REMEMBERED_S: Final = 900.0
"""How long a rule may ask for what was covered, seconds."""

STALLED_S: Final = 5.0
"""A round every second that is later than this was none of a process that runs."""

CLOCK_SET_S: Final = 1.0
"""By how much the wall clock must differ from what it was to count as set, seconds."""

ROUNDING_S: Final = 0.001
REPEATED_S: Final = 0.01
"""By how much periods begin later each time that the clock was set back, until it is as late again,
seconds."""


@dataclass(frozen=True, slots=True)
class CameraCondition:
    """What is known of a camera beside its frames.

    Attributes:
        outage: Why no images come, a reason of `pipelines.coverage`; empty where they do.
        frozen: Whether its images have not changed for `FROZEN_AFTER_S`.
        failing: The tasks whose model fails.
    """

    outage: str = ""
    frozen: bool = False
    failing: Collection[str] = ()


class CoverageLedger:
    """One per camera. Safe for use from several threads.

    Attributes:
        began_at: From when on it counts, UTC.
        asked: How often each task was due so far; whoever reads the camera goes on counting.
        settled: Of all tasks together, in the periods that `finished` has given away.
    """

    def __init__(
        self,
        camera: str,
        tolerances_s: Mapping[str, float],
        period_s: float,
        *,
        settle_s: float = SETTLE_S,
        monotonic: Callable[[], float] = time.monotonic,
        utc_now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Counts from now on.

        Args:
            camera: Camera id.
            tolerances_s: For each task, see `TaskCoverage`.
            period_s: Length of a period; all begin at multiples of it, counted from 1970.
            settle_s: How long after its end nothing new is learned of a period, seconds.
            monotonic: Monotonic seconds.
            utc_now: UTC.
        """
        self.asked: Mapping[str, int] = {}
        self.settled = NO_COVERAGE
        self._camera = camera
        self._period_s = period_s
        self._monotonic = monotonic
        self._utc_now = utc_now
        self._lock = threading.Lock()
        self.began_at = utc_now()
        self._begin_s, self._begins_at = monotonic(), self.began_at
        self._newest_at = self.began_at
        self._phase_s = 0.0
        self._tasks = {
            task: TaskCoverage(tolerance_s, self._begin_s)
            for task, tolerance_s in tolerances_s.items()
        }
        self._settle_s = max(settle_s, LATE_S + 2 * max(tolerances_s.values(), default=0.0))
        self._asked = dict.fromkeys(self._tasks, 0)
        self._condition = CameraCondition(outage=CONNECTING)
        self._checked_s = self._begin_s
        self._closed = False

    def analysed(self, tasks: Iterable[str], at_s: float, view: str) -> None:
        """A frame was analysed for some tasks.

        Args:
            tasks: Those.
            at_s: When it arrived, monotonic seconds.
            view: Why it does not show the place; empty where it does.
        """
        with self._lock:
            if self._closed:
                return
            gap = view or (FROZEN if self._condition.frozen else "")
            for task in tasks:
                # Its own, and one that came while it was being analysed.
                missing = partial(self._why_missing, task, usual=2)
                self._tasks[task].analysed(at_s, gap, missing)
                self._asked[task] = self.asked.get(task, 0)

    def blind_since(self, at_s: float, view: str) -> None:
        """It turns out that the camera has not shown its place since then, monotonic seconds."""
        with self._lock:
            for task in self._tasks.values():
                task.relabel(at_s, view)

    def check(self, condition: CameraCondition) -> None:
        """Settles what is certain by now; to be called every second."""
        with self._lock:
            if self._closed:
                return
            now_s = self._monotonic()
            if condition.frozen and not self._condition.frozen:
                for one in self._tasks.values():
                    one.relabel(now_s - FROZEN_AFTER_S, FROZEN)
            self._condition = condition
            for task, one in self._tasks.items():
                one.missing(now_s, self._why_missing(task, usual=0))
            self._checked_s = now_s

    def coverage(self, task: str, begins_at: datetime, ends_at: datetime) -> Coverage:
        """What a task could see in a period, UTC, as far as it is known and remembered."""
        with self._lock:
            begin_s, end_s = map(self._monotonic_of, (begins_at, ends_at))
            return self._tasks[task].coverage(begin_s, end_s)

    def finished(self) -> list[CoveredPeriod]:
        """The periods of which all is known, each once."""
        periods: list[CoveredPeriod] = []
        with self._lock:
            now_s = self._monotonic()
            while not self._closed and now_s >= self._end_s() + self._settle_s:
                periods += self._take_period(self._end_s())
                for task in self._tasks.values():
                    task.forget(self._begin_s - REMEMBERED_S)
            self.settled = total_coverage([self.settled, *(one.coverage for one in periods)])
        return periods

    def unfinished(self) -> list[CoveredPeriod]:
        """The other periods, as far as they are known by now."""
        with self._lock:
            begin_s, begins_at = self._begin_s, self._begins_at
            newest_at, phase_s = self._newest_at, self._phase_s
            try:
                return self._take_all()
            finally:
                self._begin_s, self._begins_at = begin_s, begins_at
                self._newest_at, self._phase_s = newest_at, phase_s

    def close(self, reason: str) -> list[CoveredPeriod]:
        """Ends the counting: what is left, with everything that is not known yet as missing."""
        with self._lock:
            if self._closed:
                return []
            now_s = self._monotonic()
            for task in self._tasks.values():
                task.close(now_s, reason)
            self._closed = True
            return self._take_all()

    def _why_missing(self, task: str, usual: int) -> str:
        """Why there are no results; `usual` frames that are due and have none are no reason."""
        if self._monotonic() - self._checked_s > STALLED_S:
            return WORKER_DOWN
        if self._condition.outage:
            return self._condition.outage
        if task in self._condition.failing:
            return MODEL_FAILED
        due = self.asked.get(task, 0) - self._asked[task]
        return OVERLOADED if due > usual else NO_FRAMES

    def _end_s(self) -> float:
        """The end of the oldest period that was not given away."""
        into_s = (self._begins_at.timestamp() - self._phase_s) % self._period_s
        return self._begin_s + self._period_s - into_s

    def _take_all(self) -> list[CoveredPeriod]:
        periods: list[CoveredPeriod] = []
        until_s = max((task.until_s for task in self._tasks.values()), default=self._begin_s)
        while until_s - self._begin_s > ROUNDING_S:
            periods += self._take_period(min(self._end_s(), until_s))
        return periods

    def _take_period(self, end_s: float) -> list[CoveredPeriod]:
        """The oldest period up to its end, or a part of it; the next one begins there."""
        begin_s, begins_at = self._begin_s, self._begins_at
        periods = []
        for name, task in self._tasks.items():
            known_s = min(end_s, task.until_s)
            if known_s - begin_s > ROUNDING_S:
                ends_at = begins_at + timedelta(seconds=known_s - begin_s)
                coverage = task.coverage(begin_s, known_s)
                periods.append(CoveredPeriod(self._camera, name, begins_at, ends_at, coverage))
        now_s, now = self._monotonic(), self._utc_now()
        ends_at = self._snapped(begins_at + timedelta(seconds=end_s - begin_s))
        set_by = now - (ends_at + timedelta(seconds=now_s - end_s))
        if abs(set_by.total_seconds()) > CLOCK_SET_S:
            self._newest_at = max(self._newest_at, ends_at)
            if set_by < timedelta():
                # Periods of times that come again begin otherwise: none is taken for another one.
                self._phase_s += REPEATED_S
                set_by += timedelta(seconds=REPEATED_S)
            ends_at += set_by
        if ends_at >= self._newest_at:
            self._phase_s = 0.0
        self._begin_s, self._begins_at = end_s, ends_at
        return periods

    def _snapped(self, moment: datetime) -> datetime:
        """The multiple of a period that a sum of seconds has missed by a rounding error."""
        into_s = moment.timestamp() - self._phase_s
        nearest_s = round(into_s / self._period_s) * self._period_s + self._phase_s
        nearest = datetime.fromtimestamp(nearest_s, UTC)
        return nearest if abs((nearest - moment).total_seconds()) <= ROUNDING_S else moment

    def _monotonic_of(self, moment: datetime) -> float:
        return self._begin_s + (moment - self._begins_at).total_seconds()

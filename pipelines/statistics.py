"""Counters of one camera, as an operator reads them: rates, frame ages, failures, incidents."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from camera_adapters.frame import Frame
from pipelines.incident import Phase, Transition
from pipelines.plan import ModelRef

AGES_KEPT = 4096


@dataclass(frozen=True, slots=True)
class Rate:
    """Wanted and achieved inferences per second of one task."""

    requested_fps: float
    achieved_fps: float


@dataclass(frozen=True, slots=True)
class StatisticsSnapshot:
    """A camera's counters at one moment.

    Attributes:
        analysed: Frames with a result.
        failed: Frames for which a model failed.
        requested_fps: Rate that the most demanding task wants.
        achieved_fps: What that task got, from its first result until now; a stall lowers it.
        frame_age_ms: Arrival of a frame to its result, milliseconds, by percentile name.
        tasks: Rates by task.
        incidents: Incidents opened, by kind.
        models: Inferences whose result counted, by task and `name/version`.
        reroutes: How often the versions were changed.
    """

    analysed: int
    failed: int
    requested_fps: float
    achieved_fps: float
    frame_age_ms: Mapping[str, float]
    tasks: Mapping[str, Rate]
    incidents: Mapping[str, int]
    models: Mapping[str, Mapping[str, int]]
    reroutes: int


@dataclass(slots=True)
class _TaskRate:
    requested_fps: float
    count: int = 0
    first_s: float = 0.0

    def rate(self, now_s: float) -> Rate:
        span_s = now_s - self.first_s
        achieved = (self.count - 1) / span_s if self.count > 1 and span_s > 0 else 0.0
        return Rate(self.requested_fps, round(achieved, 3))


@dataclass(slots=True)
class CameraStatistics:
    """Counts what happens to one camera's frames. Written by the worker's loop alone."""

    rates: Mapping[str, float]
    _frames: int = 0
    _failed: int = 0
    _tasks: dict[str, _TaskRate] = field(default_factory=dict)
    _ages_s: deque[float] = field(default_factory=lambda: deque(maxlen=AGES_KEPT))
    _incidents: Counter[str] = field(default_factory=Counter)
    _models: dict[str, Counter[str]] = field(default_factory=dict)
    _reroutes: int = 0

    def __post_init__(self) -> None:
        self._tasks = {task: _TaskRate(fps) for task, fps in self.rates.items()}
        self._models = {task: Counter() for task in self.rates}

    def analysed(self, frame: Frame, models: Mapping[str, ModelRef], now_s: float) -> None:
        """A frame has its results.

        Args:
            frame: The frame.
            models: The models that gave them, by task.
            now_s: Monotonic time of the results, seconds.
        """
        for task, model in models.items():
            self._models[task][model.key] += 1
            rate = self._tasks[task]
            rate.first_s = rate.first_s if rate.count else now_s
            rate.count += 1
        self._frames += 1
        self._ages_s.append(now_s - frame.arrived_mono_s)

    def failed(self) -> None:
        """A model failed on a frame."""
        self._failed += 1

    def rerouted(self) -> None:
        """Other versions infer from now on."""
        self._reroutes += 1

    def transition(self, transition: Transition) -> None:
        """An incident moved on."""
        if transition.phase is Phase.STARTED:
            self._incidents[transition.incident.kind] += 1

    def snapshot(self, now_s: float) -> StatisticsSnapshot:
        """The counters at monotonic time `now_s`, seconds."""
        rates = {task: one.rate(now_s) for task, one in self._tasks.items()}
        hardest = max(rates.values(), key=lambda rate: rate.requested_fps, default=Rate(0.0, 0.0))
        ages_ms = np.array(tuple(self._ages_s)) * 1000.0
        p50, p95 = np.percentile(ages_ms, (50, 95)) if len(ages_ms) else (0.0, 0.0)
        return StatisticsSnapshot(
            analysed=self._frames,
            failed=self._failed,
            requested_fps=hardest.requested_fps,
            achieved_fps=hardest.achieved_fps,
            frame_age_ms={"p50": round(float(p50), 1), "p95": round(float(p95), 1)},
            tasks=rates,
            incidents=dict(self._incidents),
            models={task: dict(counts) for task, counts in self._models.items()},
            reroutes=self._reroutes,
        )

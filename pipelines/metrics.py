"""Counters: of one caller's inferences by model version, and of one camera's frames.

Callers count, not replicas: a counter survives the replica that it was got from, and every caller's
metrics travel with what it reports anyway.
"""

from __future__ import annotations

import bisect
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from camera_adapters import Frame
from pipelines.incident import Phase, Transition
from pipelines.plan import ModelRef

BATCH_BOUNDS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
_MILLISECONDS = (1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000)
SECONDS_BOUNDS: Final = tuple(one / 1000 for one in _MILLISECONDS)


@dataclass(frozen=True, slots=True)
class InferenceTiming:
    """How long one inference took, and where it ran.

    Attributes:
        queue_s: From sending to the start of the run: transport and waiting, seconds.
        run_s: In the model, seconds.
        cpu_s: Processor time that the run took, seconds of one core.
        provider: Where it ran: `cpu` or `cuda`.
    """

    queue_s: float
    run_s: float
    cpu_s: float
    provider: str


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts by upper bound.

    Attributes:
        bounds: Upper bounds, ascending, inclusive.
        counts: One more than there are bounds; the last is of values above all of them.
        total: Sum of all values.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float = 0.0

    @property
    def count(self) -> int:
        """How many values."""
        return sum(self.counts)

    def __add__(self, other: Histogram) -> Histogram:
        counts = tuple(a + b for a, b in zip(self.counts, other.counts, strict=True))
        return Histogram(self.bounds, counts, self.total + other.total)


NO_BATCH: Final = Histogram(BATCH_BOUNDS, (0,) * (len(BATCH_BOUNDS) + 1))
NO_SECONDS: Final = Histogram(SECONDS_BOUNDS, (0,) * (len(SECONDS_BOUNDS) + 1))


@dataclass(frozen=True, slots=True)
class InferenceMetrics:
    """What one caller has asked of one model version so far.

    Attributes:
        requests: Calls, answered or not.
        errors: Calls that failed or were not answered in time.
        images: Images inferred.
        batch: Images per answered call.
        queue: Seconds from sending to the start of the run.
        run: Seconds in the model, per call.
        cpu_s: Processor time of all runs, seconds of one core.
        provider: Where the newest answer was computed, empty before the first.
    """

    requests: int = 0
    errors: int = 0
    images: int = 0
    batch: Histogram = NO_BATCH
    queue: Histogram = NO_SECONDS
    run: Histogram = NO_SECONDS
    cpu_s: float = 0.0
    provider: str = ""

    def __add__(self, other: InferenceMetrics) -> InferenceMetrics:
        return InferenceMetrics(
            requests=self.requests + other.requests,
            errors=self.errors + other.errors,
            images=self.images + other.images,
            batch=self.batch + other.batch,
            queue=self.queue + other.queue,
            run=self.run + other.run,
            cpu_s=self.cpu_s + other.cpu_s,
            provider=other.provider or self.provider,
        )

    @property
    def run_ms_per_image(self) -> float | None:
        """Milliseconds in the model per image; None before the first."""
        return self.run.total / self.images * 1000 if self.images else None

    @property
    def core_ms_per_image(self) -> float | None:
        """Milliseconds of one core per image; None before the first. The price on a processor."""
        return self.cpu_s / self.images * 1000 if self.images else None

    @property
    def queue_ms(self) -> float | None:
        """Mean milliseconds from sending to the start of the run; None before the first answer."""
        return self.queue.total / self.queue.count * 1000 if self.queue.count else None


class _GrowingHistogram:
    """A histogram that values are added to."""

    __slots__ = ("_bounds", "_counts", "_total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0

    def add(self, value: float) -> None:
        self._counts[bisect.bisect_left(self._bounds, value)] += 1
        self._total += value

    def snapshot(self) -> Histogram:
        return Histogram(self._bounds, tuple(self._counts), self._total)


class _ModelCounters:
    """What `InferenceMetrics` is made from, for one model version."""

    __slots__ = ("batch", "cpu_s", "errors", "images", "provider", "queue", "requests", "run")

    def __init__(self) -> None:
        self.requests = self.errors = self.images = 0
        self.batch = _GrowingHistogram(BATCH_BOUNDS)
        self.queue = _GrowingHistogram(SECONDS_BOUNDS)
        self.run = _GrowingHistogram(SECONDS_BOUNDS)
        self.cpu_s = 0.0
        self.provider = ""

    def snapshot(self) -> InferenceMetrics:
        return InferenceMetrics(
            requests=self.requests,
            errors=self.errors,
            images=self.images,
            batch=self.batch.snapshot(),
            queue=self.queue.snapshot(),
            run=self.run.snapshot(),
            cpu_s=self.cpu_s,
            provider=self.provider,
        )


class MetricsRecorder:
    """The metrics of one caller by `name/version`; safe for use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: defaultdict[str, _ModelCounters] = defaultdict(_ModelCounters)

    def answered(self, model: str, images: int, timing: InferenceTiming) -> None:
        """An answer came in."""
        with self._lock:
            counters = self._counters[model]
            counters.requests += 1
            counters.images += images
            counters.batch.add(images)
            counters.queue.add(timing.queue_s)
            counters.run.add(timing.run_s)
            counters.cpu_s += timing.cpu_s
            counters.provider = timing.provider

    def failed(self, model: str) -> None:
        """A call failed."""
        with self._lock:
            counters = self._counters[model]
            counters.requests += 1
            counters.errors += 1

    def snapshot(self) -> Mapping[str, InferenceMetrics]:
        """The metrics now."""
        with self._lock:
            return {model: counters.snapshot() for model, counters in self._counters.items()}


AGES_KEPT = 256
"""Ages of a camera's newest results; about a minute at five per second."""

RATE_WINDOW_S = 10.0
RATE_RESULTS = 5
"""An achieved rate is that of the last seconds, or of the time for so many results if longer."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Inferences per second of one task: what it wants now, and what it got lately."""

    requested_fps: float
    achieved_fps: float


@dataclass(frozen=True, slots=True)
class StatisticsSnapshot:
    """A camera's counters at one moment.

    Attributes:
        analysed: Frames with a result.
        failed: Frames for which a model failed.
        held: Of those analysed, frames that were not inferred, as nothing had moved.
        requested_fps: Rate that the most demanding task wants.
        achieved_fps: What that task got in the last seconds.
        frame_age_ms: Arrival of a frame to its result, milliseconds, by percentile name, of the
            newest results.
        tasks: Rates by task.
        incidents: Incidents opened, by kind.
        models: Results that counted, by task and the `name/version` that gave them.
        reroutes: How often the versions were changed.
    """

    analysed: int
    failed: int
    held: int
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
    first_s: float = float("inf")
    recent_s: deque[float] = field(default_factory=deque)

    @property
    def window_s(self) -> float:
        """How long a result counts, seconds."""
        slow_s = RATE_RESULTS / self.requested_fps if self.requested_fps > 0 else 0.0
        return max(RATE_WINDOW_S, slow_s)

    def note(self, now_s: float) -> None:
        """A result came in at monotonic time `now_s`, seconds."""
        self.first_s = min(self.first_s, now_s)
        self.recent_s.append(now_s)
        while self.recent_s[0] <= now_s - self.window_s:
            self.recent_s.popleft()

    def rate(self, now_s: float) -> Rate:
        since_s = now_s - self.window_s
        results = sum(at_s > since_s for at_s in tuple(self.recent_s))
        if self.first_s > since_s:
            # The first result begins the time that is measured and is none of its results.
            since_s, results = self.first_s, results - 1
        achieved = results / (now_s - since_s) if results > 0 and now_s > since_s else 0.0
        return Rate(self.requested_fps, round(achieved, 3))


@dataclass(slots=True)
class CameraStatistics:
    """Counts what happens to one camera's frames. Written by the slot that has one of them."""

    rates: Mapping[str, float]
    _frames: int = 0
    _failed: int = 0
    _held: int = 0
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
            self._tasks[task].note(now_s)
        self._frames += 1
        self._ages_s.append(now_s - frame.arrived_mono_s)

    @property
    def given(self) -> Mapping[str, int]:
        """Inferences whose result counted, by task."""
        return {task: sum(counts.values()) for task, counts in self._models.items()}

    def failed(self) -> None:
        """A model failed on a frame."""
        self._failed += 1

    def held(self) -> None:
        """Nothing has moved in a frame: it gets the results of an earlier one."""
        self._held += 1

    def paced(self, rates: Mapping[str, float]) -> None:
        """Tasks want other rates from now on, frames per second."""
        for task, fps in rates.items():
            self._tasks[task].requested_fps = fps

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
            held=self._held,
            requested_fps=hardest.requested_fps,
            achieved_fps=hardest.achieved_fps,
            frame_age_ms={"p50": round(float(p50), 1), "p95": round(float(p95), 1)},
            tasks=rates,
            incidents=dict(self._incidents),
            models={task: dict(counts) for task, counts in self._models.items()},
            reroutes=self._reroutes,
        )

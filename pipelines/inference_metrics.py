"""`InferenceMetrics`: what one caller has asked of one model version, ready to become metrics.

Callers count, not replicas: a counter survives the replica that it was got from, and every caller's
metrics travel with what it reports anyway.
"""

from __future__ import annotations

import bisect
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

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

    @classmethod
    def empty(cls, bounds: tuple[float, ...]) -> Histogram:
        """No value yet."""
        return cls(bounds, (0,) * (len(bounds) + 1))

    def plus(self, value: float) -> Histogram:
        """These counts after one more value."""
        at = bisect.bisect_left(self.bounds, value)
        counts = (*self.counts[:at], self.counts[at] + 1, *self.counts[at + 1 :])
        return Histogram(self.bounds, counts, self.total + value)

    @property
    def count(self) -> int:
        """How many values."""
        return sum(self.counts)

    def __add__(self, other: Histogram) -> Histogram:
        counts = tuple(a + b for a, b in zip(self.counts, other.counts, strict=True))
        return Histogram(self.bounds, counts, self.total + other.total)


def _seconds() -> Histogram:
    return Histogram.empty(SECONDS_BOUNDS)


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
    batch: Histogram = field(default_factory=lambda: Histogram.empty(BATCH_BOUNDS))
    queue: Histogram = field(default_factory=_seconds)
    run: Histogram = field(default_factory=_seconds)
    cpu_s: float = 0.0
    provider: str = ""

    def answered(self, images: int, timing: InferenceTiming) -> InferenceMetrics:
        """These metrics after one more answer."""
        return InferenceMetrics(
            requests=self.requests + 1,
            errors=self.errors,
            images=self.images + images,
            batch=self.batch.plus(images),
            queue=self.queue.plus(timing.queue_s),
            run=self.run.plus(timing.run_s),
            cpu_s=self.cpu_s + timing.cpu_s,
            provider=timing.provider,
        )

    def failed(self) -> InferenceMetrics:
        """These metrics after one more call without an answer."""
        return replace(self, requests=self.requests + 1, errors=self.errors + 1)

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


class MetricsRecorder:
    """The metrics of one caller by `name/version`; safe for use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._metrics: dict[str, InferenceMetrics] = {}

    def answered(self, model: str, images: int, timing: InferenceTiming) -> None:
        """An answer came in."""
        with self._lock:
            metrics = self._metrics.get(model) or InferenceMetrics()
            self._metrics[model] = metrics.answered(images, timing)

    def failed(self, model: str) -> None:
        """A call failed."""
        with self._lock:
            self._metrics[model] = (self._metrics.get(model) or InferenceMetrics()).failed()

    def snapshot(self) -> Mapping[str, InferenceMetrics]:
        """The metrics now."""
        with self._lock:
            return dict(self._metrics)

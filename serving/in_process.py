"""The detector port without Ray: ONNX sessions in this process, for tests and benchmarks."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError

import numpy as np

from models.detections import Detections
from models.detector import Detector
from models.errors import ModelError
from pipelines.detector import BatchResult, DetectorError, Found, MicroBatch
from pipelines.plan import ModelRef

Answers = Mapping[ModelRef, Future[tuple[Detections, ...]]]


class InProcessPending:
    """A micro-batch under way in the detector's own thread."""

    def __init__(
        self, answers: Answers, shadows: Answers, unknown: Mapping[ModelRef, DetectorError]
    ) -> None:
        self._answers = answers
        self._shadows = shadows
        self._unknown = unknown

    def result(self, timeout_s: float) -> BatchResult:
        """See `PendingDetections.result`."""
        batch_result = _batch_result(self._answers, timeout_s)
        return BatchResult(batch_result.found, {**batch_result.failures, **self._unknown})

    def shadow_result(self) -> BatchResult | None:
        """See `PendingDetections.shadow_result`."""
        if not all(future.done() for future in self._shadows.values()):
            return None
        return _batch_result(self._shadows, 0.0)

    def abandon_shadows(self) -> None:
        """See `PendingDetections.abandon_shadows`."""
        for future in self._shadows.values():
            future.cancel()


class InProcessDetector:
    """Judges micro-batches one after the other with the given detectors."""

    def __init__(self, detectors: Mapping[ModelRef, Detector]) -> None:
        self._detectors = dict(detectors)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="detector")

    def submit(self, batch: MicroBatch) -> InProcessPending:
        """See `DetectorPort.submit`."""
        unknown = {
            model: DetectorError(model.key, "is not loaded in this process")
            for model in batch.rows
            if model not in self._detectors
        }
        known = {model: rows for model, rows in batch.rows.items() if model not in unknown}
        return InProcessPending(
            self._start(batch, known), self._start(batch, batch.shadows), unknown
        )

    def retain(self, models: frozenset[str]) -> None:
        """See `DetectorPort.retain`; what is loaded here stays."""

    def close(self) -> None:
        """Waits for what is under way and ends the thread."""
        self._pool.shutdown()

    def _start(self, batch: MicroBatch, wanted: Mapping[ModelRef, tuple[int, ...]]) -> Answers:
        return {
            model: self._pool.submit(self._judge, batch, model, rows)
            for model, rows in wanted.items()
        }

    def _judge(
        self, batch: MicroBatch, model: ModelRef, rows: tuple[int, ...]
    ) -> tuple[Detections, ...]:
        images = np.ascontiguousarray(batch.images[list(rows)])
        found = self._detectors[model].run(images)
        return tuple(Detections.from_rows(r, model.min_score) for r in found)


def _batch_result(answers: Answers, timeout_s: float) -> BatchResult:
    deadline_s = time.monotonic() + timeout_s
    found: dict[ModelRef, tuple[Detections, ...]] = {}
    failures = {}
    for model, future in answers.items():
        try:
            found[model] = future.result(max(0.0, deadline_s - time.monotonic()))
        except FutureTimeoutError:
            failures[model] = DetectorError(
                model.key, f"no answer within {timeout_s:.0f} s", timed_out=True
            )
        except (ModelError, KeyError) as error:
            failures[model] = DetectorError(model.key, str(error))
    complete: Found = found
    return BatchResult(complete, failures)

"""The detector port without Ray: ONNX sessions in this process, for tests and benchmarks."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError

import numpy as np

from models.detections import Detections
from models.detector import Detector
from pipelines.detector import DetectorError, MicroBatch
from pipelines.plan import ModelRef


class InProcessPending:
    """A micro-batch under way in the detector's own thread."""

    def __init__(self, future: Future[Mapping[ModelRef, tuple[Detections, ...]]]) -> None:
        self._future = future

    def result(self, timeout_s: float) -> Mapping[ModelRef, tuple[Detections, ...]]:
        """Waits for all due models.

        Raises:
            DetectorError: The models did not answer within `timeout_s` seconds.
        """
        try:
            return self._future.result(timeout_s)
        except FutureTimeoutError:
            raise DetectorError("in-process", f"no answer within {timeout_s:.0f} s") from None


class InProcessDetector:
    """Judges micro-batches one after the other with the given detectors."""

    def __init__(self, detectors: Mapping[ModelRef, Detector]) -> None:
        self._detectors = dict(detectors)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="detector")

    def submit(self, batch: MicroBatch) -> InProcessPending:
        """Starts judging; returns at once.

        Raises:
            DetectorError: A due model has no detector here.
        """
        for model in batch.rows:
            if model not in self._detectors:
                raise DetectorError(model.name, "is not loaded in this process")
        return InProcessPending(self._pool.submit(self._judge, batch))

    def close(self) -> None:
        """Waits for what is under way and ends the thread."""
        self._pool.shutdown()

    def _judge(self, batch: MicroBatch) -> Mapping[ModelRef, tuple[Detections, ...]]:
        results = {}
        for model, rows in batch.rows.items():
            pictures = np.ascontiguousarray(batch.pictures[list(rows)])
            found = self._detectors[model].run(pictures)
            results[model] = tuple(Detections.from_rows(r, model.floor) for r in found)
        return results

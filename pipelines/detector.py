"""The detector port: how a camera worker has a micro-batch inferred.

Every kind of detector stands behind it: Ray Serve, or ONNX sessions in the worker's own process.
Which one a city uses is a choice of its configuration; see `serving.detectors`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from camera_adapters import Frame, Image, ViewSpec
from models.detections import Detections
from pipelines.metrics import InferenceMetrics, InferenceTiming, MetricsRecorder
from pipelines.plan import ModelRef, Routes

RESULT_TIMEOUT_S: Final = 15.0
"""How long a micro-batch is waited for."""


class DetectorError(Exception):
    """A model did not infer a micro-batch.

    Attributes:
        model: The model, `name/version`.
        timed_out: Whether there was no result in time, rather than a refusal.
    """

    def __init__(self, model: str, reason: str, *, timed_out: bool = False) -> None:
        super().__init__(f"model {model}: {reason}")
        self.model = model
        self.timed_out = timed_out


ModelRows = Mapping[ModelRef, tuple[int, ...]]
"""For each model the rows of a micro-batch that it infers, ascending."""


@dataclass(frozen=True, slots=True, eq=False)
class MicroBatch:
    """Frames of one analysis size and fit that are inferred together.

    Attributes:
        images: (N, H, W, 3) uint8 RGB, contiguous; row i belongs to `frames[i]`.
        frames: The frames, at most one per camera; none where only the result matters.
        routes: The routes of each frame's camera that the frame was sent along.
        rows: For each model that is due: the rows that it infers.
    """

    images: Image
    frames: tuple[Frame, ...]
    routes: tuple[Routes, ...]
    rows: ModelRows

    @property
    def view(self) -> ViewSpec:
        """The analysis image that all its models take."""
        return next(iter(self.rows)).view

    def unpacked(self, result: BatchResult) -> Iterator[tuple[int, ModelRef, Detections]]:
        """Row, model and detections of every image that a model has inferred."""
        for model, found in result.found.items():
            for row, detections in zip(self.rows[model], found, strict=True):
                yield row, model, detections


@dataclass(frozen=True, slots=True, eq=False)
class BatchResult:
    """The result of a micro-batch: one model's failure is not another's.

    Attributes:
        found: One `Detections` per row, for every model that did not fail.
        failures: Why the others failed.
        timings: How long each inference took, by `name/version`.
    """

    found: Mapping[ModelRef, tuple[Detections, ...]]
    failures: Mapping[ModelRef, DetectorError] = field(default_factory=dict)
    timings: Mapping[str, InferenceTiming] = field(default_factory=dict)


class InferenceCall(Protocol):
    """One model's inference of a micro-batch, under way."""

    def result(self, timeout_s: float, /) -> tuple[npt.NDArray[np.float32], InferenceTiming]:
        """(N, M, 6) float32 for N rows: x1, y1, x2, y2, score, class. And how long it took.

        Raises:
            TimeoutError: There is no result in time; it may be asked for again.
            DetectorError: The model failed.
        """
        ...

    def cancel(self) -> object:
        """The result is not wanted any more."""
        ...


StartCall = Callable[[ModelRef, tuple[int, ...]], InferenceCall]
"""Starts inference of some rows of a stored micro-batch; may raise `DetectorError`."""


class InFlightBatch:
    """A micro-batch that models are inferring. One thread uses it."""

    def __init__(self, start: StartCall, rows: ModelRows, recorder: MetricsRecorder) -> None:
        """Starts the calls.

        Args:
            start: Holds the images, so that other models can be run on them later.
            rows: The rows of each model.
            recorder: Where results and failures are counted.
        """
        self._start = start
        self._recorder = recorder
        self._rows = rows
        self._calls: dict[tuple[ModelRef, ...], tuple[tuple[int, ...], InferenceCall]] = {}
        self._found: dict[ModelRef, tuple[Detections, ...]] = {}
        self._failures: dict[ModelRef, DetectorError] = {}
        self._timings: dict[str, InferenceTiming] = {}
        versions: dict[str, tuple[ModelRef, ...]] = {}
        for model in rows:
            versions[model.key] = (*versions.get(model.key, ()), model)
        for models in versions.values():
            # One inference for all thresholds.
            own = tuple(sorted(set[int]().union(*map(rows.__getitem__, models))))
            try:
                self._calls[models] = own, start(models[0], own)
            except DetectorError as error:
                self._fail(models, error)

    def result(self, timeout_s: float) -> BatchResult:
        """Waits for all models, `timeout_s` seconds in all; cancels what is late."""
        deadline_s = time.monotonic() + timeout_s
        for models in tuple(self._calls):
            own, call = self._calls.pop(models)
            key = models[0].key
            try:
                rows, timing = call.result(max(0.0, deadline_s - time.monotonic()))
            except TimeoutError:
                call.cancel()
                self._fail(models, DetectorError(key, "no result in time", timed_out=True))
            except DetectorError as error:
                self._fail(models, error)
            else:
                self._recorder.answered(key, len(rows), timing)
                self._timings[key] = timing
                by_row = dict(zip(own, rows, strict=True))
                # Copied out, so that no view keeps shared memory from being freed.
                for model in models:
                    self._found[model] = tuple(
                        Detections.from_rows(by_row[row], model.min_scores)
                        for row in self._rows[model]
                    )
        return BatchResult(self._found, self._failures, self._timings)

    def rerun(self, rows: ModelRows) -> InFlightBatch:
        """Starts inference of other models on the same images, which are not stored again."""
        return InFlightBatch(self._start, rows, self._recorder)

    def _fail(self, models: tuple[ModelRef, ...], error: DetectorError) -> None:
        self._recorder.failed(models[0].key)
        self._failures.update(dict.fromkeys(models, error))


class DetectorPort(Protocol):
    """Something that infers micro-batches. Safe for use from several threads."""

    @property
    def metrics(self) -> Mapping[str, InferenceMetrics]:
        """What was asked of each `name/version` through this port so far."""
        ...

    def submit(self, batch: MicroBatch) -> InFlightBatch:
        """Starts inference; returns at once. A model that cannot be reached fails in the result."""
        ...

    def verify(self, model: ModelRef) -> str:
        """Has a version infer its golden images; says what is wrong, empty if nothing is."""
        ...

    def provider(self, model: ModelRef) -> str:
        """Where a version runs, `cpu` or `cuda`; `unknown` while it cannot say."""
        ...

    def retain(self, models: frozenset[str]) -> None:
        """Lets go of what it keeps for models other than these `name/version`."""
        ...

    def close(self) -> None:
        """Ends what it has started itself; what is in flight is finished."""
        ...

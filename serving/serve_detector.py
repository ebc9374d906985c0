"""Hop 3, the client of the detector deployments.

A micro-batch goes once into the object store, and every due model gets it by reference, from a
replica on the same node where there is one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentResponse

from models.detections import Detections
from pipelines.detector import BatchResult, DetectorError, MicroBatch
from pipelines.plan import ModelRef
from serving.inference_metrics import InferenceMetrics, MetricsRecorder, Timing

Rows = npt.NDArray[np.float32]
"""(N, M, 6) float32: x1, y1, x2, y2, score, class."""

Answer = tuple[Rows, Timing]


def application_name(model: ModelRef) -> str:
    """Name of the Serve application of a model version."""
    return f"detector-{model.name}-{model.version}"


@dataclass(slots=True)
class _UnderWay:
    """Calls of one kind, and what became of those that are over."""

    calls: dict[ModelRef, DeploymentResponse[Answer]]
    failures: dict[ModelRef, DetectorError]
    found: dict[ModelRef, tuple[Detections, ...]] = field(default_factory=dict)


class ServePending:
    """A micro-batch under way at one or more Serve applications."""

    def __init__(self, calls: _UnderWay, shadows: _UnderWay, figures: MetricsRecorder) -> None:
        """Waits for calls that are under way.

        Args:
            calls: Calls to the models that are waited for.
            shadows: Calls to the others.
            figures: Where answers and failures are counted.
        """
        self._own = calls
        self._shadows = shadows
        self._figures = figures

    def result(self, timeout_s: float) -> BatchResult:
        """See `PendingDetections.result`."""
        deadline_s = time.monotonic() + timeout_s
        for model, call in self._own.calls.items():
            try:
                self._collect(self._own, model, call, max(0.0, deadline_s - time.monotonic()))
            except TimeoutError:
                self._drop(model, call)
                self._own.failures[model] = DetectorError(
                    model.key, f"no answer within {timeout_s:.0f} s", timed_out=True
                )
        return BatchResult(self._own.found, self._own.failures)

    def shadow_result(self) -> BatchResult | None:
        """See `PendingDetections.shadow_result`."""
        shadows = self._shadows
        for model, call in tuple(shadows.calls.items()):
            try:
                self._collect(shadows, model, call, 0.0)
            except TimeoutError:
                return None
            del shadows.calls[model]
        return BatchResult(shadows.found, shadows.failures)

    def abandon_shadows(self) -> None:
        """See `PendingDetections.abandon_shadows`."""
        for model, call in self._shadows.calls.items():
            self._drop(model, call)
        self._shadows.calls.clear()

    def _collect(
        self,
        kind: _UnderWay,
        model: ModelRef,
        call: DeploymentResponse[Answer],
        timeout_s: float,
    ) -> None:
        try:
            rows, timing = call.result(timeout_s=timeout_s)
        except TimeoutError:
            raise
        except (RayError, RayServeException) as error:
            self._figures.failed(model.key)
            kind.failures[model] = DetectorError(model.key, _reason(error))
            return
        self._figures.answered(model.key, len(rows), timing)
        # Copied out, so that no view keeps the object store from freeing its memory.
        kind.found[model] = tuple(Detections.from_rows(one, model.min_score) for one in rows)

    def _drop(self, model: ModelRef, call: DeploymentResponse[Answer]) -> None:
        call.cancel()  # type: ignore[no-untyped-call]
        self._figures.failed(model.key)


class ServeDetector:
    """The detector port over Ray Serve."""

    def __init__(self) -> None:
        self._handles: dict[str, Any] = {}
        self._book = MetricsRecorder()

    @property
    def figures(self) -> Mapping[str, InferenceMetrics]:
        """What was asked of each `name/version` so far."""
        return self._book.snapshot()

    def submit(self, batch: MicroBatch) -> ServePending:
        """See `DetectorPort.submit`."""
        images = ray.put(batch.images)
        calls, unreached = self._call(images, batch.rows)
        shadows, shadows_unreached = self._call(images, batch.shadows)
        return ServePending(
            _UnderWay(calls, unreached), _UnderWay(shadows, shadows_unreached), self._book
        )

    def retain(self, models: frozenset[str]) -> None:
        """See `DetectorPort.retain`."""
        self._handles = {key: one for key, one in self._handles.items() if key in models}

    def _call(
        self, images: object, rows_of: Mapping[ModelRef, tuple[int, ...]]
    ) -> tuple[dict[ModelRef, Any], dict[ModelRef, DetectorError]]:
        sent_at_s = time.time()
        calls: dict[ModelRef, Any] = {}
        unreached = {}
        for model, rows in rows_of.items():
            try:
                calls[model] = self._handle(model).detect.remote(images, rows, sent_at_s)
            except DetectorError as error:
                self._book.failed(model.key)
                unreached[model] = error
        return calls, unreached

    def _handle(self, model: ModelRef) -> Any:  # noqa: ANN401 - Ray does not type methods
        if model.key not in self._handles:
            try:
                handle: Any = serve.get_app_handle(application_name(model))
            except (RayError, RayServeException) as error:
                raise DetectorError(model.key, f"is not served: {_reason(error)}") from error
            if not handle.is_initialized:
                # Private, but the only way to ask for a replica on the same node (Ray 2.60).
                handle._init(_prefer_local_routing=True)
            self._handles[model.key] = handle.options(_by_reference=True)
        return self._handles[model.key]


def _reason(error: Exception) -> str:
    """The last line of a remote error, which is where the cause stands."""
    return (str(error).strip() or type(error).__name__).splitlines()[-1].strip()

"""Hop 3, the client of the detector deployments.

A micro-batch goes once into the object store, and every due model gets it by reference, from a
replica on the same node where there is one. A shadow of the same size gets that very reference.
What Ray sends inside the call itself, one image as a rule, does without the object store.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException

from pipelines import (
    DetectorError,
    InferenceMetrics,
    InferenceTiming,
    InFlightBatch,
    MetricsRecorder,
    MicroBatch,
    ModelRef,
)
from serving.detector_handle import DetectorHandle, DetectorResponse
from serving.errors import death_of, last_line
from serving.lean_ray import INLINE_BYTES

VERIFY_TIMEOUT_S = 60.0
PROVIDER_TIMEOUT_S = 2.0
PREFIX = "detector-"
"""With which the names of the applications begin."""


def application_name(model: ModelRef) -> str:
    """Name of the Serve application of a model version."""
    return f"{PREFIX}{model.name}-{model.version}"


@dataclass(frozen=True, slots=True)
class _ServeCall:
    """See `InferenceCall`."""

    model: ModelRef
    response: DetectorResponse

    def result(self, timeout_s: float) -> tuple[npt.NDArray[np.float32], InferenceTiming]:
        try:
            found: tuple[npt.NDArray[np.float32], InferenceTiming]
            found = self.response.result(timeout_s=timeout_s)
        except TimeoutError:
            raise
        except (RayError, RayServeException) as error:
            raise DetectorError(self.model.key, death_of(error)) from None
        return found

    def cancel(self) -> None:
        self.response.cancel()


class ServeDetector:
    """The detector port over Ray Serve."""

    def __init__(self) -> None:
        self._handles: dict[str, Any] = {}
        self._detectors: dict[str, DetectorHandle] = {}
        self._lock = threading.Lock()
        self._recorder = MetricsRecorder()

    @property
    def metrics(self) -> Mapping[str, InferenceMetrics]:
        """See `DetectorPort.metrics`."""
        return self._recorder.snapshot()

    def submit(self, batch: MicroBatch) -> InFlightBatch:
        """See `DetectorPort.submit`."""
        small = batch.images.nbytes <= INLINE_BYTES
        images = batch.images if small else ray.put(batch.images)

        def start(model: ModelRef, rows: tuple[int, ...]) -> _ServeCall:
            return _ServeCall(model, self._detector(model).detect(images, rows, time.time()))

        return InFlightBatch(start, batch.rows, self._recorder)

    def verify(self, model: ModelRef) -> str:
        """See `DetectorPort.verify`."""
        try:
            return str(self._handle(model).verify.remote().result(timeout_s=VERIFY_TIMEOUT_S))
        except TimeoutError:
            return f"no result for its golden images within {VERIFY_TIMEOUT_S:.0f} s"
        except (DetectorError, RayError, RayServeException) as error:
            return death_of(error)

    def provider(self, model: ModelRef) -> str:
        """See `DetectorPort.provider`."""
        try:
            return str(self._handle(model).provider.remote().result(timeout_s=PROVIDER_TIMEOUT_S))
        except (DetectorError, RayError, RayServeException, TimeoutError):
            return "unknown"

    def memory_bytes(self, model: ModelRef) -> int | None:
        """What one replica of a version holds, see `own_memory_bytes`; None where none says so."""
        try:
            asked = self._handle(model).memory_bytes.remote()
            return int(asked.result(timeout_s=PROVIDER_TIMEOUT_S))
        except (DetectorError, RayError, RayServeException, TimeoutError):
            return None

    def retain(self, models: frozenset[str]) -> None:
        """See `DetectorPort.retain`."""
        with self._lock:
            self._handles = {key: one for key, one in self._handles.items() if key in models}
            self._detectors = {key: one for key, one in self._detectors.items() if key in models}

    def close(self) -> None:
        """See `DetectorPort.close`; the applications are not this client's."""

    def _detector(self, model: ModelRef) -> DetectorHandle:
        handle = self._handle(model)
        with self._lock:
            if model.key not in self._detectors:
                self._detectors[model.key] = DetectorHandle(handle)
            return self._detectors[model.key]

    def _handle(self, model: ModelRef) -> Any:  # noqa: ANN401 - Ray does not type methods
        with self._lock:
            if model.key not in self._handles:
                self._handles[model.key] = _open_handle(model)
            return self._handles[model.key]


def _open_handle(model: ModelRef) -> Any:  # noqa: ANN401
    try:
        handle: Any = serve.get_app_handle(application_name(model))
    except (RayError, RayServeException) as error:
        raise DetectorError(model.key, f"is not served: {last_line(error)}") from error
    if not handle.is_initialized:
        # Private, but the only way to ask for a replica on the same node (Ray 2.60).
        handle._init(_prefer_local_routing=True)
    return handle.options(_by_reference=True)

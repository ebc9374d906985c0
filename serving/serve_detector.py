"""Hop 3, the client of the detector deployments.

A micro-batch goes once into the object store, and every due model gets it by reference, from a
replica on the same node where there is one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentResponse

from models.detections import Detections
from pipelines.detector import DetectorError, MicroBatch
from pipelines.plan import ModelRef

Rows = npt.NDArray[np.float32]
"""(N, M, 6) float32: x1, y1, x2, y2, score, class."""


def application_name(model: ModelRef) -> str:
    """Name of the Serve application of a model version."""
    return f"detector-{model.name}-{model.version}"


class ServePending:
    """A micro-batch under way at one or more Serve applications."""

    def __init__(self, responses: Mapping[ModelRef, DeploymentResponse[Rows]]) -> None:
        self._responses = responses

    def result(self, timeout_s: float) -> Mapping[ModelRef, tuple[Detections, ...]]:
        """Waits for all due models.

        Raises:
            DetectorError: A model failed or did not answer within `timeout_s` seconds.
        """
        deadline_s = time.monotonic() + timeout_s
        results = {}
        for model, response in self._responses.items():
            try:
                rows = response.result(timeout_s=max(0.0, deadline_s - time.monotonic()))
            except TimeoutError:
                response.cancel()  # type: ignore[no-untyped-call]
                raise DetectorError(model.name, f"no answer within {timeout_s:.0f} s") from None
            except (RayError, RayServeException) as error:
                raise DetectorError(model.name, _reason(error)) from error
            # Copied out, so that no view keeps the object store from freeing its memory.
            results[model] = tuple(Detections.from_rows(r, model.floor) for r in rows)
        return results


class ServeDetector:
    """The detector port over Ray Serve."""

    def __init__(self) -> None:
        self._handles: dict[ModelRef, Any] = {}

    def submit(self, batch: MicroBatch) -> ServePending:
        """Sends a micro-batch to its due models; returns at once.

        Raises:
            DetectorError: A model is not being served.
        """
        pictures = ray.put(batch.pictures)
        return ServePending(
            {
                model: self._handle(model).detect.remote(pictures, rows)
                for model, rows in batch.rows.items()
            }
        )

    def _handle(self, model: ModelRef) -> Any:  # noqa: ANN401 - Ray does not type methods
        if model not in self._handles:
            try:
                handle: Any = serve.get_app_handle(application_name(model))
            except (RayError, RayServeException) as error:
                raise DetectorError(model.name, f"is not served: {_reason(error)}") from error
            if not handle.is_initialized:
                # Private, but the only way to ask for a replica on the same node (Ray 2.60).
                handle._init(_prefer_local_routing=True)
            self._handles[model] = handle.options(_by_reference=True)
        return self._handles[model]


def _reason(error: Exception) -> str:
    """The last line of a remote error, which is where the cause stands."""
    return (str(error).strip() or type(error).__name__).splitlines()[-1].strip()

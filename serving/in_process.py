"""Detectors in the camera workers' own processes: no hop, and a copy of the model in each worker.

A version is tried in a throw-away process before any worker loads it, so that one that crashes
takes no camera along; and a worker verifies its golden images before the first frame.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from ray.exceptions import ActorDiedError, RayError

from models import ModelError
from pipelines import (
    DetectorError,
    InferenceCall,
    InferenceMetrics,
    InferenceTiming,
    InFlightBatch,
    MetricsRecorder,
    MicroBatch,
    ModelRef,
)
from serving.actor import wait_for
from serving.errors import ServingError, last_line
from serving.gpus import ROLLOUT_GPUS, equal_share, gpus_of_cluster, may_use_gpu
from serving.loaded_model import LoadedModel
from serving.served_models import ModelState, ServedModel
from serving.trial import LOAD_TIMEOUT_S, TrialProcess

log = logging.getLogger(__name__)


class _Version:
    """A version of this process and its session, which several threads run at once."""

    def __init__(self, served: ServedModel) -> None:
        self.key = served.ref.key
        self.loaded: LoadedModel | None = None
        self._served = served
        self._loading = threading.Lock()

    def load(self) -> LoadedModel:
        """Loads and verifies it, if that has not been done or has failed.

        Raises:
            DetectorError: It cannot be loaded, or its results are wrong.
        """
        with self._loading:
            try:
                self.loaded = self.loaded or LoadedModel(self._served.args, alone=False)
            except (ModelError, OSError) as error:
                raise DetectorError(self.key, str(error)) from None
            return self.loaded


@dataclass(frozen=True, slots=True)
class _InlineCall:
    """See `InferenceCall`: it runs on the thread that asks for the result, without any hop."""

    version: _Version
    images: npt.NDArray[np.uint8]
    rows: tuple[int, ...]
    sent_at_s: float

    def result(self, timeout_s: float, /) -> tuple[npt.NDArray[np.float32], InferenceTiming]:
        if timeout_s <= 0:
            raise TimeoutError  # Another model has used up the time.
        loaded = self.version.loaded or self.version.load()
        try:
            return loaded.infer(self.images, self.rows, self.sent_at_s)
        except ModelError as error:
            raise DetectorError(self.version.key, str(error)) from None

    def cancel(self) -> None:
        """Nothing to do: it has ended when its caller goes on."""


class InProcessDetector:
    """The detector port over ONNX sessions in this process."""

    def __init__(self, models: Mapping[str, ServedModel]) -> None:
        """Loads nothing yet; a version is loaded when it is verified or first used.

        Args:
            models: The versions that may be asked for by `name/version`; may change later.
        """
        self._models = models
        self._versions: dict[str, _Version] = {}
        self._lock = threading.Lock()
        self._recorder = MetricsRecorder()

    @property
    def metrics(self) -> Mapping[str, InferenceMetrics]:
        """See `DetectorPort.metrics`."""
        return self._recorder.snapshot()

    def submit(self, batch: MicroBatch) -> InFlightBatch:
        """See `DetectorPort.submit`."""

        def start(model: ModelRef, rows: tuple[int, ...]) -> InferenceCall:
            with self._lock:
                version = self._versions.get(model.key) or self._open(model)
            return _InlineCall(version, batch.images, rows, time.time())

        return InFlightBatch(start, batch.rows, self._recorder)

    def verify(self, model: ModelRef) -> str:
        """See `DetectorPort.verify`."""
        try:
            with self._lock:
                version = self._versions.get(model.key) or self._open(model)
            if version.loaded is not None:
                return version.loaded.verify()
            version.load()
            return ""
        except (DetectorError, ModelError) as error:
            return str(error)

    def provider(self, model: ModelRef) -> str:
        """See `DetectorPort.provider`."""
        version = self._versions.get(model.key)
        return version.loaded.provider if version and version.loaded else "unknown"

    def retain(self, models: frozenset[str]) -> None:
        """See `DetectorPort.retain`."""
        with self._lock:
            for key in self._versions.keys() - models:
                del self._versions[key]

    def close(self) -> None:
        """See `DetectorPort.close`."""
        self.retain(frozenset())

    def _open(self, model: ModelRef) -> _Version:
        if model.key not in self._models:
            raise DetectorError(model.key, "is not one of the versions of this process")
        version = self._versions[model.key] = _Version(self._models[model.key])
        return version


class InProcessDetectors:
    """Detectors in the workers; see `DetectorService`."""

    def port(self, models: Mapping[str, ServedModel]) -> InProcessDetector:
        """See `DetectorService.port`. A version that cannot be loaded is tried again when used."""
        port = InProcessDetector(models)
        for served in tuple(models.values()):
            problem = port.verify(served.ref)
            if problem:
                log.error("model_not_loaded", extra={"model": served.ref.key, "reason": problem})
        return port

    def worker_gpus(self, models: Sequence[ServedModel], workers: int) -> float:
        """See `DetectorService.worker_gpus`."""
        gpus = gpus_of_cluster()
        return equal_share(gpus, workers) if any(may_use_gpu(models, gpus)) else 0.0

    def deploy(self, models: Sequence[ServedModel]) -> None:
        """See `DetectorService.deploy`; they were tried, and workers load them when they start."""

    def launch(self, model: ServedModel, workers: Sequence[Any] = ()) -> None:
        """See `DetectorService.launch`."""
        (may_use,) = may_use_gpu([model], gpus_of_cluster())
        with TrialProcess(model, ROLLOUT_GPUS if may_use else 0.0) as trial:
            problem = trial.load()
        if not problem:
            loading = [worker.load.remote(model) for worker in workers]
            problem = next(filter(None, map(_outcome, loading)), "")
        if problem:
            self.remove(model, workers)
            raise ServingError(f"{model.title} cannot be served: {problem}")

    def remove(self, model: ServedModel, workers: Sequence[Any] = ()) -> None:
        """See `DetectorService.remove`."""
        for worker in workers:
            worker.unload.remote(model.ref.key)

    def states(
        self,
        models: Sequence[ServedModel],
        metrics: Mapping[str, InferenceMetrics],
        faults: Mapping[str, str],
    ) -> list[ModelState]:
        """See `DetectorService.states`; a version is as well as the workers say."""
        return [
            ModelState(
                "UNHEALTHY" if model.ref.key in faults else "RUNNING",
                metrics.get(model.ref.key, InferenceMetrics()).provider or "unknown",
            )
            for model in models
        ]


def _outcome(pending: object) -> str:
    """What is wrong according to a process that loads a version."""
    try:
        return str(wait_for(pending, LOAD_TIMEOUT_S))
    except ActorDiedError:
        return ""  # The worker that replaces it loads what its cameras need.
    except RayError as error:
        return last_line(error)

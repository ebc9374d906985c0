"""Detectors in the camera workers' own processes: no hop, and a copy of the model in each worker.

A version is tried in a throw-away process before any worker loads it, so that one that crashes
takes no camera along; and a worker verifies its golden images before the first frame.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import ray
from ray.exceptions import ActorDiedError, RayError

from models import Detector, ModelError, SessionError, golden_of, verify_golden
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
from serving.actor import RESERVED_CPUS, wait_for
from serving.errors import ServingError, last_line
from serving.gpus import ROLLOUT_GPUS, equal_share, gpus_of_cluster, may_use_gpu
from serving.model_source import package_from
from serving.served_models import DetectorArgs, ModelState, ServedModel


class LoadedModel:
    """Runs one micro-batch at a time; safe for use from several threads.

    Attributes:
        blank: (1, H, W, 3) uint8, a black image of its input size.
        provider: Where it runs: `cpu` or `cuda`.
        finished_s: When the newest run ended, monotonic seconds.
    """

    def __init__(self, args: DetectorArgs, *, alone: bool) -> None:
        """Loads and verifies a package; one that gives wrong results never gets a frame.

        Args:
            args: The package, and how it runs.
            alone: Whether the process does nothing else, so that its processor time is the model's.

        Raises:
            ModelError: It cannot be loaded, or its results for its golden images are wrong.
        """
        # Keys that the arguments leave out are taken from this node's own environment.
        package = package_from(args.package, os.environ)  # noqa: TID251
        self._detector = Detector(package, threads=args.threads, provider=args.provider)
        self.provider = self._detector.provider
        self._golden = golden_of(package)
        size = package.manifest.input
        self.blank = np.zeros((1, size.height, size.width, 3), np.uint8)
        # One run at a time: a model takes the threads that it was given, not a multiple of them.
        self._running = threading.Lock()
        self._cpu_clock = time.process_time if alone else time.thread_time
        self._cpu_share = 1 if alone else args.threads
        self.finished_s = time.monotonic()
        problem = self.verify()
        if problem:
            raise SessionError(str(package), problem)

    def infer(
        self, images: npt.NDArray[np.uint8], rows: tuple[int, ...], sent_at_s: float
    ) -> tuple[npt.NDArray[np.float32], InferenceTiming]:
        """Infers some rows of a micro-batch.

        Args:
            images: (N, H, W, 3) uint8 RGB, read-only.
            rows: Which of the N to infer, ascending.
            sent_at_s: When the caller sent them, seconds since 1970.

        Returns:
            (len(rows), M, 6) float32: x1, y1, x2, y2, score, class; padding rows have score 0. And
            how long it took.
        """
        if len(rows) != len(images):
            images = images[list(rows)]
        with self._running:
            # Clocks of two nodes may differ by more than a micro-batch waits.
            queue_s = max(0.0, time.time() - sent_at_s)
            started_s, cpu_started_s = time.monotonic(), self._cpu_clock()
            found = self._detector.run(images)
            self.finished_s = time.monotonic()
            # The session's threads share a run evenly; only the calling one has a clock here.
            cpu_s = (self._cpu_clock() - cpu_started_s) * self._cpu_share
        return found, InferenceTiming(queue_s, self.finished_s - started_s, cpu_s, self.provider)

    def verify(self) -> str:
        """Infers the golden images; says what is wrong, empty if nothing is."""
        if self._golden is None:
            return ""
        with self._running:
            return verify_golden(self._detector, self._golden)


log = logging.getLogger(__name__)

LOAD_TIMEOUT_S = 180.0


class _Version:
    """A version and the thread that runs it, as a replica would have a process of its own."""

    def __init__(self, served: ServedModel) -> None:
        self.thread = ThreadPoolExecutor(1, thread_name_prefix=f"detector-{served.ref.key}")
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
                raise DetectorError(self._served.ref.key, str(error)) from None
            return self.loaded

    def infer(
        self, images: npt.NDArray[np.uint8], rows: tuple[int, ...], sent_at_s: float
    ) -> tuple[npt.NDArray[np.float32], InferenceTiming]:
        """See `LoadedModel.infer`."""
        try:
            return (self.loaded or self.load()).infer(images, rows, sent_at_s)
        except ModelError as error:
            raise DetectorError(self._served.ref.key, str(error)) from None


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
                return version.thread.submit(version.infer, batch.images, rows, time.time())

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
                self._versions.pop(key).thread.shutdown(wait=False)

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
        """See `DetectorService.deploy`; workers load the versions when they start."""
        for model in models:
            self.launch(model)

    def launch(self, model: ServedModel, workers: Sequence[Any] = ()) -> None:
        """See `DetectorService.launch`."""
        (may_use,) = may_use_gpu([model], gpus_of_cluster())
        trial = ray.remote(
            num_cpus=RESERVED_CPUS,
            num_gpus=ROLLOUT_GPUS if may_use else 0.0,
            max_retries=0,
            max_calls=1,
        )(_try)
        problem = _outcome(trial.remote(model.args))
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


def _try(args: DetectorArgs) -> str:
    """Runs in a throw-away process: loads and verifies a version, says what is wrong."""
    try:
        LoadedModel(args, alone=True)
    except ModelError as error:
        return str(error)
    return ""


def _outcome(pending: object) -> str:
    """What is wrong according to a process that loads a version."""
    try:
        return str(wait_for(pending, LOAD_TIMEOUT_S))
    except ActorDiedError:
        return ""  # The worker that replaces it loads what its cameras need.
    except RayError as error:
        return last_line(error)

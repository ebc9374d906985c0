"""Models in this process: a verified version, and the detector port over several of them.

Camera workers use the port, so that a frame needs no hop; a replica of Ray Serve and a trial have
one version each.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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
from serving.model_source import package_from
from serving.served_models import DetectorArgs, ServedModel


class LoadedModel:
    """Runs micro-batches; safe for use from several threads.

    Attributes:
        blank: (1, H, W, 3) uint8, a black image of its input size.
        provider: Where it runs: `cpu` or `cuda`.
        finished_s: When the newest run ended, monotonic seconds.
    """

    def __init__(self, args: DetectorArgs, *, alone: bool) -> None:
        """Loads and verifies a package; one that gives wrong results never gets a frame.

        Args:
            args: The package, and how it runs.
            alone: Whether the process does nothing else, so that its processor time is the model's,
                and one run at a time is what it shall do. Otherwise callers may run at once: each
                takes the threads that the model was given. On a GPU runs overlap even so, and each
                counts the processor time of all.

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
        # Further runs would wait inside, where they pass for slow ones.
        limited = alone or self.provider != "cpu"
        self._running: AbstractContextManager[object] = (
            threading.Semaphore(self._detector.in_flight) if limited else nullcontext()
        )
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

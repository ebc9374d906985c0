"""Hop 4, the detector deployment: hands the array to the model, nothing else."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from ray import serve

from models.detector import Detector
from models.errors import SessionError
from models.verification import golden_of, verify_golden
from serving.inference_metrics import Timing
from serving.loopback import confine_replica
from serving.model_source import RemotePackage, package_from

HEALTH_LOOK_AFTER_S = 10.0


@serve.deployment(health_check_period_s=5, health_check_timeout_s=10)
class DetectorDeployment:
    """One replica of one model version. Calls come from Serve's thread pool, several at once."""

    def __init__(
        self, package: Path | RemotePackage, threads: int, provider: Literal["auto", "cpu", "cuda"]
    ) -> None:
        confine_replica()
        # Keys that the arguments leave out are this node's own; there they need not be told.
        loaded = package_from(package, os.environ)  # noqa: TID251
        self._detector = Detector(loaded, threads=threads, provider=provider)
        self._golden = golden_of(loaded)
        size = loaded.manifest.input
        self._blank = np.zeros((1, size.height, size.width, 3), np.uint8)
        self._answered_s = time.monotonic()
        # One run at a time: a replica takes the threads that it was given, not a multiple of them.
        # What waits here has its transport behind it already.
        self._running = threading.Lock()
        # A replica that answers nonsense must never be sent a frame: it does not even start.
        problem = self.prove()
        if problem:
            raise SessionError(str(loaded), problem)

    def detect(
        self, images: npt.NDArray[np.uint8], rows: tuple[int, ...], sent_at_s: float
    ) -> tuple[npt.NDArray[np.float32], Timing]:
        """Judges some rows of a micro-batch.

        Args:
            images: (N, H, W, 3) uint8 RGB, read-only.
            rows: Which of the N to look at, ascending.
            sent_at_s: When the caller sent them, seconds since the epoch.

        Returns:
            (len(rows), M, 6) float32: x1, y1, x2, y2, score, class; M as large as needed. And how
            long it took.
        """
        if len(rows) != len(images):
            images = np.ascontiguousarray(images[list(rows)])
        with self._running:
            # Clocks of two nodes may differ by more than a micro-batch waits.
            queue_s = max(0.0, time.time() - sent_at_s)
            started_s, cpu_started_s = time.monotonic(), time.process_time()
            found = self._detector.run(images)
            self._answered_s = time.monotonic()
            cpu_s = time.process_time() - cpu_started_s
        run_s = self._answered_s - started_s
        timing = Timing(queue_s, run_s, cpu_s, self._detector.provider)
        # Padding rows come last and need no transport.
        used = int((found[:, :, 4] > 0).sum(axis=1).max(initial=0))
        return np.ascontiguousarray(found[:, :used]), timing

    def provider(self) -> str:
        """The execution provider in use."""
        return self._detector.provider

    def prove(self) -> str:
        """Answers the package's golden images; says what is wrong, empty if nothing is."""
        if self._golden is None:
            return ""
        with self._running:
            return verify_golden(self._detector, self._golden)

    def check_health(self) -> None:
        """Raises when the session no longer answers; Serve then replaces the replica.

        A busy replica proves its health by its answers; an idle one looks at a blank image.
        """
        if time.monotonic() - self._answered_s > HEALTH_LOOK_AFTER_S:
            with self._running:
                self._detector.run(self._blank)
            self._answered_s = time.monotonic()

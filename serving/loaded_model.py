"""`LoadedModel`: a verified model version in this process, whatever kind of detector it serves."""

from __future__ import annotations

import os
import threading
import time
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import numpy.typing as npt

from models import Detector, SessionError, golden_of, verify_golden
from pipelines import InferenceTiming
from serving.model_source import package_from
from serving.served_models import DetectorArgs


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
                takes the threads that the model was given.

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
        # A GPU runs one micro-batch after the other anyway.
        one_by_one = alone or self.provider != "cpu"
        self._running: AbstractContextManager[object] = (
            threading.Lock() if one_by_one else nullcontext()
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

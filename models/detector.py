"""`Detector`: runs a packaged model, one `session.run` per micro-batch.

uint8 images in, final boxes out; everything that differs between networks is inside the graph.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.detections import Detections
from models.errors import ImageError, SessionError
from models.package import ModelPackage
from models.session import WantedProvider, first_line, open_session, placement

BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128)
"""Batch sizes that a GPU is warmed up for, besides a model's own largest one."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Time spent in `session.run` since the detector was made, warm-up left out."""

    calls: int = 0
    images: int = 0
    total_s: float = 0.0
    longest_s: float = 0.0

    def plus(self, images: int, seconds: float) -> Latency:
        """These counters after one more call."""
        return Latency(
            calls=self.calls + 1,
            images=self.images + images,
            total_s=self.total_s + seconds,
            longest_s=max(self.longest_s, seconds),
        )


class Detector:
    """A loaded model; `detect` and `run` may be called from several threads at once.

    Attributes:
        package: What is loaded.
        provider: Where it runs: `cpu` or `cuda`.
    """

    def __init__(
        self,
        package: ModelPackage,
        *,
        threads: int = 1,
        provider: WantedProvider = "cpu",
        graph: bytes | None = None,
    ) -> None:
        """Loads the model, asserts its provider and warms it up.

        Args:
            package: The verified package.
            threads: Threads inside one `run`; two detectors with one thread each serve more
                images per second than one with two.
            provider: `auto` takes the GPU where there is one.
            graph: The content of the package's file, for whoever has read it already.

        Raises:
            SessionError: ONNX Runtime refuses the model or the provider.
        """
        self.package = package
        # From bytes, so that nothing beside the file can be pulled in.
        content = package.onnx_path.read_bytes() if graph is None else graph
        self._session, self.provider = open_session(
            str(package), content, threads=threads, provider=provider
        )
        self._lock = threading.Lock()
        self._latency = Latency()
        self._warm_up()

    @property
    def latency(self) -> Latency:
        """Counters so far."""
        with self._lock:
            return self._latency

    def detect(
        self, images: npt.NDArray[np.uint8], threshold: float | None = None
    ) -> list[Detections]:
        """Detections of each image, best score first.

        Args:
            images: (N, H, W, 3) uint8 RGB of the package's input size; N may exceed `max_batch`.
            threshold: Score at or below which a detection is dropped; the package's own if None.

        Raises:
            ImageError: Wrong shape or type.
            SessionError: ONNX Runtime failed.
        """
        least = self.package.manifest.thresholds.default if threshold is None else threshold
        return [Detections.from_rows(rows, least) for rows in self.run(images)]

    def run(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Raw output (N, M, 6) float32: x1 y1 x2 y2 score class; padding rows have score 0."""
        self._check(images)
        chunks = [self._timed(chunk) for chunk in self._chunks(images)]
        if not chunks:
            return np.zeros((0, self.package.manifest.output.rows, 6), np.float32)
        return chunks[0] if len(chunks) == 1 else np.concatenate(chunks)

    def _check(self, images: npt.NDArray[np.uint8]) -> None:
        wanted = self.package.manifest.input
        shape = (wanted.height, wanted.width, 3)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != shape:  # noqa: PLR2004
            raise ImageError(
                str(self.package),
                f"images must be uint8 (N, {wanted.height}, {wanted.width}, 3), "
                f"got {images.dtype} {images.shape}; scale them to the input size",
            )

    def _chunks(self, images: npt.NDArray[np.uint8]) -> Iterator[npt.NDArray[np.uint8]]:
        step = self.package.manifest.input.max_batch
        for start in range(0, len(images), step):
            yield np.ascontiguousarray(images[start : start + step])

    def _timed(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        started = time.monotonic()
        rows = self._infer(images)
        elapsed = time.monotonic() - started
        with self._lock:
            self._latency = self._latency.plus(len(images), elapsed)
        return rows

    def _infer(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        manifest = self.package.manifest
        count = len(images)
        try:
            (rows,) = self._session.run(
                [manifest.output.name], {manifest.input.name: self._to_bucket(images)}
            )
        except Exception as error:
            raise SessionError(
                str(self.package), f"inference on {count} images failed: {first_line(error)}"
            ) from error
        result: npt.NDArray[np.float32] = rows[:count]
        return result

    def _to_bucket(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        # A GPU tunes its kernels for every new shape, for seconds; only warmed-up shapes go there.
        if self.provider == "cpu" and self.package.manifest.input.dynamic_batch:
            return images
        bucket = next(size for size in self.buckets() if size >= len(images))
        missing = bucket - len(images)
        return np.pad(images, ((0, missing), (0, 0), (0, 0), (0, 0))) if missing else images

    def placement(self) -> dict[str, dict[str, int]]:
        """Which provider runs how many nodes of which operator."""
        return placement(self._session)

    def buckets(self) -> list[int]:
        """Batch sizes that reach the graph on a GPU, ascending."""
        wanted = self.package.manifest.input
        if not wanted.dynamic_batch:
            return [wanted.max_batch]
        return [size for size in BATCH_BUCKETS if size < wanted.max_batch] + [wanted.max_batch]

    def _warm_up(self) -> None:
        wanted = self.package.manifest.input
        sizes = self.buckets() if self.provider == "cuda" else self.buckets()[:1]
        for size in sizes:
            self._infer(np.zeros((size, wanted.height, wanted.width, 3), np.uint8))

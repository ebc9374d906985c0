"""`Detector`: runs a packaged model, one `session.run` per micro-batch.

uint8 images in, final boxes out; everything that differs between networks is inside the graph.
"""

from __future__ import annotations

import logging

import numpy as np
import numpy.typing as npt

from models.detections import ClassScores, Detections
from models.errors import ImageError, SessionError
from models.gpu_runners import IN_FLIGHT, GpuGraph, GpuRunners
from models.package import ModelPackage
from models.session import (
    Provider,
    WantedProvider,
    first_line,
    open_session,
    placement,
    provider_for,
)

log = logging.getLogger(__name__)

BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128)
"""Batch sizes that a GPU is warmed up for, besides a model's own largest one."""


class Detector:
    """A loaded model; `detect` and `run` may be called from several threads at once.

    Attributes:
        package: What is loaded.
        provider: Where it runs: `cpu` or `cuda`.
        in_flight: How many runs at once make it faster than one after the other, beside what
            processor cores allow.
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
        self.provider: Provider = provider_for(str(package), provider)
        self._runners: GpuRunners | None = None
        if self.provider == "cuda":
            self._runners = self._opened_runners(content, required=provider == "cuda")
        if self._runners is None:
            self.provider = "cpu"
            self._session = open_session(str(package), content, threads=threads)
            self._warm_up()
        self.in_flight = 1 if self._runners is None else IN_FLIGHT

    def detect(
        self, images: npt.NDArray[np.uint8], threshold: float | ClassScores | None = None
    ) -> list[Detections]:
        """Detections of each image, best score first, boxes in pixels of the given images.

        Args:
            images: (N, H, W, 3) uint8 RGB of the package's input size; N may exceed `max_batch`.
                A package with the fit `stretch` takes any size, as it stretches every image.
            threshold: Score at or below which a detection is dropped, one for all classes or one
                by class id; the package's own if None.

        Raises:
            ImageError: Wrong shape or type.
            SessionError: ONNX Runtime failed.
        """
        least = self.package.thresholds if threshold is None else threshold
        wanted = self.package.manifest.input
        size, given = (wanted.width, wanted.height), images.shape[2:0:-1]
        if wanted.fit != "stretch" or given in {size, ()} or not len(images):
            return [Detections.from_rows(rows, least) for rows in self.run(images)]
        import cv2

        rows = self.run(np.stack([cv2.resize(image, size) for image in images]))
        rows[:, :, :4] *= np.tile(np.divide(given, size), 2).astype(np.float32)
        return [Detections.from_rows(one, least) for one in rows]

    def run(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Raw output (N, M, 6) float32: x1 y1 x2 y2 score class; padding rows have score 0."""
        wanted = self.package.manifest.input
        shape = (wanted.height, wanted.width, 3)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != shape:  # noqa: PLR2004
            raise ImageError(
                str(self.package),
                f"images must be uint8 (N, {wanted.height}, {wanted.width}, 3), "
                f"got {images.dtype} {images.shape}; scale them to the input size",
            )
        step = wanted.max_batch
        if len(images) > step:
            return np.concatenate(
                [self.run(images[start : start + step]) for start in range(0, len(images), step)]
            )
        count, output = len(images), self.package.manifest.output
        if not count:
            return np.zeros((0, output.rows, 6), np.float32)
        if self._runners is not None:
            return self._runners.run(images)
        if not wanted.dynamic_batch and count < step:
            images = np.pad(images, ((0, step - count), (0, 0), (0, 0), (0, 0)))
        inputs = {wanted.name: np.ascontiguousarray(images)}
        try:
            (rows,) = self._session.run([output.name], inputs)
        except Exception as error:
            raise SessionError(
                str(self.package), f"inference on {count} images failed: {first_line(error)}"
            ) from error
        result: npt.NDArray[np.float32] = rows[:count]
        return result

    def placement(self) -> dict[str, dict[str, int]]:
        """Which provider runs how many nodes of which operator."""
        return placement(self._session) if self._runners is None else self._runners.placement()

    def buckets(self) -> list[int]:
        """Batch sizes that reach the graph on a GPU, ascending."""
        wanted = self.package.manifest.input
        if not wanted.dynamic_batch:
            return [wanted.max_batch]
        return [size for size in BATCH_BUCKETS if size < wanted.max_batch] + [wanted.max_batch]

    def _opened_runners(self, content: bytes, *, required: bool) -> GpuRunners | None:
        """The model on the GPU; None where that does not work and is not required."""
        graph = GpuGraph.of(self.package, content)
        try:
            return GpuRunners(
                str(self.package),
                lambda size, captured: graph.open(size, captured=captured),
                self.buckets(),
            )
        except SessionError as error:
            if required:
                raise
            log.warning("detector_gpu_unusable", extra={"reason": str(error)})
            return None

    def _warm_up(self) -> None:
        wanted = self.package.manifest.input
        size = self.buckets()[0]
        self.run(np.zeros((size, wanted.height, wanted.width, 3), np.uint8))

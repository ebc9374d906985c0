"""`Detector`: runs a packaged model; the only module that imports ONNX Runtime.

One `session.run` per micro-batch, uint8 pictures in, final boxes out. Threads are set explicitly
because ONNX Runtime would otherwise take every core of the host, and a wanted GPU that is not in
use after loading is an error, because a silent fall-back to the CPU looks like a slow success.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from models.detections import Detections
from models.errors import PictureError, SessionError
from models.package import ModelPackage

logger = logging.getLogger(__name__)

Provider = Literal["cpu", "cuda"]
CUDA_PROVIDER = "CUDAExecutionProvider"
CPU_PROVIDER = "CPUExecutionProvider"
ERRORS_ONLY = 3
"""ONNX Runtime's log level; its warnings are about graph details, its refusals become errors."""
CUDA_OPTIONS = {
    "arena_extend_strategy": "kSameAsRequested",
    "cudnn_conv_algo_search": "EXHAUSTIVE",
    "cudnn_conv_use_max_workspace": "1",
}


@dataclass(frozen=True, slots=True)
class Latency:
    """Time spent in `session.run` since the detector was made, warm-up left out."""

    calls: int = 0
    pictures: int = 0
    total_s: float = 0.0
    longest_s: float = 0.0

    def plus(self, pictures: int, seconds: float) -> Latency:
        """These counters after one more call."""
        return Latency(
            calls=self.calls + 1,
            pictures=self.pictures + pictures,
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
        provider: Literal["cpu", "cuda", "auto"] = "cpu",
    ) -> None:
        """Loads the model, asserts its provider and warms it up.

        Args:
            package: The verified package.
            threads: Threads inside one `run`; two detectors with one thread each serve more
                pictures per second than one with two.
            provider: `auto` takes the GPU where there is one.

        Raises:
            SessionError: ONNX Runtime refuses the model or the provider.
        """
        self.package = package
        self._session, self.provider = _open_session(package, threads, provider)
        self._lock = threading.Lock()
        self._latency = Latency()
        self._warm_up()

    @property
    def latency(self) -> Latency:
        """Counters so far."""
        with self._lock:
            return self._latency

    def detect(
        self, pictures: npt.NDArray[np.uint8], threshold: float | None = None
    ) -> list[Detections]:
        """Detections of each picture, best score first.

        Args:
            pictures: (N, H, W, 3) uint8 RGB of the package's input size; N may exceed `max_batch`.
            threshold: Score at or below which a detection is dropped; the package's own if None.

        Raises:
            PictureError: Wrong shape or type.
            SessionError: ONNX Runtime failed.
        """
        least = self.package.manifest.thresholds.default if threshold is None else threshold
        return [Detections.from_rows(rows, least) for rows in self.run(pictures)]

    def run(self, pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Raw output (N, M, 6) float32: x1 y1 x2 y2 score class; padding rows have score 0."""
        self._check(pictures)
        chunks = [self._timed(chunk) for chunk in self._chunks(pictures)]
        if not chunks:
            return np.zeros((0, self.package.manifest.output.rows, 6), np.float32)
        return chunks[0] if len(chunks) == 1 else np.concatenate(chunks)

    def _check(self, pictures: npt.NDArray[np.uint8]) -> None:
        wanted = self.package.manifest.input
        shape = (wanted.height, wanted.width, 3)
        if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[1:] != shape:  # noqa: PLR2004
            raise PictureError(
                str(self.package),
                f"pictures must be uint8 (N, {wanted.height}, {wanted.width}, 3), "
                f"got {pictures.dtype} {pictures.shape}; letterbox them to the input size",
            )

    def _chunks(self, pictures: npt.NDArray[np.uint8]) -> Iterator[npt.NDArray[np.uint8]]:
        step = self.package.manifest.input.max_batch
        for start in range(0, len(pictures), step):
            yield np.ascontiguousarray(pictures[start : start + step])

    def _timed(self, pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        started = time.monotonic()
        rows = self._infer(pictures)
        elapsed = time.monotonic() - started
        with self._lock:
            self._latency = self._latency.plus(len(pictures), elapsed)
        return rows

    def _infer(self, pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        manifest = self.package.manifest
        count = len(pictures)
        try:
            (rows,) = self._session.run(
                [manifest.output.name], {manifest.input.name: self._to_bucket(pictures)}
            )
        except Exception as error:
            raise SessionError(
                str(self.package), f"inference on {count} pictures failed: {_first_line(error)}"
            ) from error
        result: npt.NDArray[np.float32] = rows[:count]
        return result

    def _to_bucket(self, pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        # A GPU tunes its kernels for every new shape, for seconds; only warmed-up shapes go there.
        if self.provider == "cpu":
            return pictures
        bucket = next(size for size in self._buckets() if size >= len(pictures))
        missing = bucket - len(pictures)
        return np.pad(pictures, ((0, missing), (0, 0), (0, 0), (0, 0))) if missing else pictures

    def _buckets(self) -> list[int]:
        most = self.package.manifest.input.max_batch
        return [size for size in (1, 2, 4, 8, 16, 32, 64, 128) if size < most] + [most]

    def _warm_up(self) -> None:
        wanted = self.package.manifest.input
        sizes = self._buckets() if self.provider == "cuda" else [1]
        for size in sizes:
            self._infer(np.zeros((size, wanted.height, wanted.width, 3), np.uint8))


def _open_session(
    package: ModelPackage, threads: int, provider: Literal["cpu", "cuda", "auto"]
) -> tuple[ort.InferenceSession, Provider]:
    if provider == "cpu":
        return _session(package, threads, [CPU_PROVIDER]), "cpu"
    if CUDA_PROVIDER not in ort.get_available_providers():
        if provider == "auto":
            return _session(package, threads, [CPU_PROVIDER]), "cpu"
        raise SessionError(
            str(package),
            "the installed ONNX Runtime has no CUDA provider; install the gpu extra",
        )
    ort.preload_dlls()
    session = _session(package, threads, [(CUDA_PROVIDER, CUDA_OPTIONS), CPU_PROVIDER])
    if session.get_providers()[0] == CUDA_PROVIDER:
        return session, "cuda"
    if provider == "auto":
        logger.warning("detector_gpu_unusable", extra={"model": str(package)})
        return session, "cpu"
    raise SessionError(
        str(package), "fell back to the CPU; check the GPU driver and the CUDA libraries"
    )


def _session(
    package: ModelPackage, threads: int, providers: list[str | tuple[str, dict[str, str]]]
) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    # Spinning threads would burn the cores that decoders need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(str(package.onnx_path), options, providers=providers)
    except Exception as error:
        raise SessionError(
            str(package),
            f"{package.onnx_path}: ONNX Runtime cannot load it ({_first_line(error)}); "
            "export the network again with supported operators",
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]

"""Inference on a GPU: several micro-batches in flight, each on a runner of its own.

A runner is a thread with a session for every batch size. While one runner's images travel to the
GPU and its rows come back, the other runners' kernels run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Condition
from typing import Final

import numpy as np
import numpy.typing as npt

from models.errors import SessionError
from models.graph import for_gpu
from models.package import ModelPackage
from models.session import BatchTensors, BoundSession, Provider

log = logging.getLogger(__name__)

IN_FLIGHT: Final = 2
"""Micro-batches in flight."""

OpenSession = Callable[[int, bool], BoundSession]
"""Opens a session for a batch size, with a captured CUDA graph or without."""


@dataclass(frozen=True, slots=True)
class GpuGraph:
    """The graph of a package for a GPU.

    Attributes:
        package: Whose it is.
        content: Its bytes.
        free: Name of its free batch dimension, empty where the batch is fixed.
    """

    package: ModelPackage
    content: bytes
    free: str

    @classmethod
    def of(cls, package: ModelPackage, content: bytes) -> GpuGraph:
        """The graph of a package, of which `content` is what its file holds."""
        return cls(package, *for_gpu(content))

    def open(self, size: int, *, captured: bool, device: Provider = "cuda") -> BoundSession:
        """A session for batches of a size; see `BoundSession`.

        Raises:
            SessionError: See `BoundSession`.
        """
        wanted, output = self.package.manifest.input, self.package.manifest.output
        images, rows = (size, wanted.height, wanted.width, 3), (size, output.rows, 6)
        tensors = BatchTensors(wanted.name, images, output.name, rows, self.free)
        return BoundSession(
            str(self.package), self.content, tensors, device=device, captured=captured
        )


class CaptureGate:
    """Runs pass together; the capture of a CUDA graph waits for them, and then they wait for it.

    CUDA breaks off a capture, and refuses the other call, where another thread allocates.
    """

    def __init__(self) -> None:
        """Starts open."""
        self._change = Condition()
        self._runs = 0
        self._capturing = False

    @contextmanager
    def running(self) -> Iterator[None]:
        """Holds off captures."""
        with self._change:
            self._change.wait_for(lambda: not self._capturing)
            self._runs += 1
        try:
            yield
        finally:
            with self._change:
                self._runs -= 1
                self._change.notify_all()

    @contextmanager
    def capturing(self) -> Iterator[None]:
        """Holds off runs and other captures."""
        with self._change:
            self._change.wait_for(lambda: not self._capturing)
            # From here on no new run passes, so those under way come to an end.
            self._capturing = True
            self._change.wait_for(lambda: not self._runs)
        try:
            yield
        finally:
            with self._change:
                self._capturing = False
                self._change.notify_all()


_GATE: Final = CaptureGate()
"""All models of a process share its GPU context."""


class _Runner:
    """A thread with its sessions by batch size."""

    def __init__(self, model: str, open_session: OpenSession, sizes: Sequence[int]) -> None:
        self._model = model
        self._open_session = open_session
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"gpu-{model}")
        self.sessions = {size: self._thread.submit(self._opened, size).result() for size in sizes}

    def run(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        return self._thread.submit(self._run, images).result()

    def _run(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        size = min(size for size in self.sessions if size >= len(images))
        with _GATE.running():
            return self.sessions[size].run(images)

    def _opened(self, size: int) -> BoundSession:
        with _GATE.capturing():
            try:
                return self._open_session(size, True)
            except SessionError as error:
                facts = {"model": self._model, "batch": size, "reason": str(error)}
        # Shapes that follow from the images cannot be captured; an unusable GPU fails here too.
        with _GATE.capturing():
            session = self._open_session(size, False)
        log.info("gpu_graph_not_captured", extra=facts)
        return session


class GpuRunners:
    """Runners that share the micro-batches of a model; safe for use from several threads."""

    def __init__(self, model: str, open_session: OpenSession, sizes: Sequence[int]) -> None:
        """Opens and warms up a session per runner and batch size.

        Args:
            model: Who it is, for logs.
            open_session: Opens one.
            sizes: The batch sizes.

        Raises:
            SessionError: The model cannot run on the GPU, or not as a whole.
        """
        runners = [_Runner(model, open_session, sizes) for _ in range(IN_FLIGHT)]
        self._session = runners[0].sessions[sizes[0]]
        self._free: SimpleQueue[_Runner] = SimpleQueue()
        for runner in runners:
            self._free.put(runner)

    def run(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Rows (N, M, 6) of images (N, H, W, 3), at most as many as the largest batch size.

        Waits for a free runner.

        Raises:
            SessionError: ONNX Runtime failed.
        """
        runner = self._free.get()
        try:
            return runner.run(images)
        finally:
            self._free.put(runner)

    def placement(self) -> dict[str, dict[str, int]]:
        """Which provider runs how many nodes of which operator."""
        return self._session.placement()

"""Trials: a version runs in a throw-away process before anything of the city depends on it.

One that crashes takes nothing along. Where it is asked for, the trial also measures how the version
runs best on this machine: how many runs at once with how many threads each, how large a batch, and
what a hop to another process costs.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import ray
from ray.exceptions import RayError

from models import ModelError
from pipelines import InferenceTiming
from serving.actor import start_actor, wait_for
from serving.errors import last_line
from serving.in_process import LoadedModel
from serving.served_models import DetectorArgs, ServedModel

LOAD_TIMEOUT_S: Final = 180.0
WINDOW_S: Final = 0.2
"""How long each way to run is measured; several of them must fit into the start of a city."""

BATCHES: Final = (1, 2, 4, 8, 16)


@dataclass(frozen=True, slots=True)
class MeasuredRuns:
    """One way to run a version on this machine, and what it gives.

    Attributes:
        threads: ONNX Runtime threads of each run.
        runs: Runs at once.
        batch: Images per run.
        images_per_s: In all.
        core_ms: Processor time per image, milliseconds of one core.
    """

    threads: int
    runs: int
    batch: int
    images_per_s: float
    core_ms: float


@dataclass(frozen=True, slots=True)
class MeasuredHop:
    """What a micro-batch costs that goes to another process by reference, as with Ray Serve.

    Attributes:
        batch: Images per micro-batch.
        core_ms: Processor time per image of both processes together, the run included.
    """

    batch: int
    core_ms: float


class DetectorTrial:
    """Runs as a Ray actor of its own; see the module."""

    def __init__(self, args: DetectorArgs) -> None:
        self._args = args
        self._model: LoadedModel | None = None

    def load(self) -> str:
        """Loads and verifies the version; says what is wrong, empty if nothing is."""
        try:
            self._model = LoadedModel(self._args, alone=False)
        except (ModelError, OSError) as error:
            return str(error)
        return ""

    def provider(self) -> str:
        """Where it runs: `cpu` or `cuda`."""
        return self._loaded.provider

    def infer(
        self, images: npt.NDArray[np.uint8], rows: tuple[int, ...], sent_at_s: float
    ) -> tuple[npt.NDArray[np.float32], InferenceTiming]:
        """See `LoadedModel.infer`."""
        return self._loaded.infer(images, rows, sent_at_s)

    def cpu_s(self) -> float:
        """Processor time of this process so far, seconds."""
        return time.process_time()

    def measure(self, threads: int, runs: int, batch: int) -> MeasuredRuns:
        """Measures `runs` runs at once with `threads` threads each, on `batch` images each."""
        if threads != self._args.threads:
            self._args = self._args.model_copy(update={"threads": threads})
            self._model = LoadedModel(self._args, alone=False)
        images = np.repeat(self._loaded.blank, batch, 0)
        counts = [0] * runs
        begun_s, cpu_s = time.monotonic(), time.process_time()

        def run(which: int) -> None:
            while time.monotonic() - begun_s < WINDOW_S or not counts[which]:
                self._loaded.infer(images, tuple(range(batch)), time.time())
                counts[which] += batch

        threads_running = [threading.Thread(target=run, args=(one,)) for one in range(runs)]
        for thread in threads_running:
            thread.start()
        for thread in threads_running:
            thread.join()
        total = sum(counts)
        rate = total / (time.monotonic() - begun_s)
        core_ms = (time.process_time() - cpu_s) / total * 1000
        return MeasuredRuns(threads, runs, batch, rate, core_ms)

    @property
    def _loaded(self) -> LoadedModel:
        if self._model is None:
            raise RuntimeError("load it first")
        return self._model


class TrialProcess:
    """A version in a throw-away process, for as long as the context lasts."""

    def __init__(self, model: ServedModel, gpus: float) -> None:
        self._model = model
        self._actor: Any = start_actor(DetectorTrial, model.args, gpus=gpus, anywhere=gpus > 0)

    def __enter__(self) -> TrialProcess:
        return self

    def __exit__(self, *_: object) -> None:
        ray.kill(self._actor, no_restart=True)

    def load(self) -> str:
        """Loads and verifies the version; says what is wrong, empty if nothing is."""
        try:
            return str(wait_for(self._actor.load.remote(), LOAD_TIMEOUT_S))
        except RayError as error:
            return last_line(error)

    def provider(self) -> str:
        """Where it runs: `cpu` or `cuda`."""
        return str(wait_for(self._actor.provider.remote(), LOAD_TIMEOUT_S))

    def measure(self, threads: int, runs: int, batch: int) -> MeasuredRuns:
        """See `DetectorTrial.measure`.

        Raises:
            RayError: The process ended, or the session failed.
        """
        answer = self._actor.measure.remote(threads, runs, batch)
        measured: MeasuredRuns = wait_for(answer, LOAD_TIMEOUT_S)
        return measured

    def measure_hop(self, batch: int) -> MeasuredHop:
        """Measures micro-batches that go to the process one after the other, by reference.

        Raises:
            RayError: The process ended, or the session failed.
        """
        size = self._model.ref.size
        images = np.zeros((batch, size.height, size.width, 3), np.uint8)
        rows, count = tuple(range(batch)), 0
        cpu_s = -time.process_time() - wait_for(self._actor.cpu_s.remote(), LOAD_TIMEOUT_S)
        begun_s = time.monotonic()
        while time.monotonic() - begun_s < WINDOW_S or not count:
            sent = ray.put(images)
            wait_for(self._actor.infer.remote(sent, rows, time.time()), LOAD_TIMEOUT_S)
            count += batch
        cpu_s += time.process_time() + wait_for(self._actor.cpu_s.remote(), LOAD_TIMEOUT_S)
        return MeasuredHop(batch, cpu_s / count * 1000)


def thread_options(cores: int) -> Sequence[int]:
    """Numbers of threads that are worth a measurement: powers of two, and all cores."""
    return sorted({2**power for power in range(int(math.log2(cores)) + 1)} | {cores})

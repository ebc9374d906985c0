"""A process that decodes streams and infers some frames of each, as a camera worker does.

Decoder and detector share the process, and with it the GPU's context.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.gpu_path.recordings import FPS
from benchmarks.gpu_path.video import camera
from camera_adapters import DecoderPlace, Image, Size, StreamSignal, ViewSpec, open_source
from models import Detector, ModelError, ModelPackage, Provider

INFER_EVERY: Final = 6
"""Of 30 frames per second, 5 are inferred."""

WAITING_BATCHES: Final = 4
"""Batches of frames that may wait for the detector before the streams wait for it."""


@dataclass(frozen=True, slots=True)
class CarrierSetup:
    """What a process loads.

    Attributes:
        package: Directory of the model package.
        provider: Where it infers.
        place: Where it decodes.
    """

    package: Path
    provider: Provider
    place: DecoderPlace


@dataclass(frozen=True, slots=True)
class CarrierRun:
    """What a process is to do.

    Attributes:
        recording: What its cameras play.
        streams: How many.
        seconds: How long.
        paced: Whether images come at 30 per second, or as fast as they are taken.
    """

    recording: Path
    streams: int
    seconds: float
    paced: bool


@dataclass(frozen=True, slots=True)
class Carried:
    """What a process did.

    Attributes:
        decoded: Images by stream.
        inferred: Inferences by stream.
        ages_s: From when an image was due to its rows, for each inference.
        cpu_s: Processor time.
        wall_s: How long it took.
    """

    decoded: tuple[int, ...]
    inferred: tuple[int, ...]
    ages_s: tuple[float, ...]
    cpu_s: float
    wall_s: float


@dataclass(slots=True)
class _Counts:
    decoded: list[int]
    inferred: list[int]
    ages_s: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    problem: Exception | None = None


_Waiting = queue.Queue[tuple[int, float, Image] | None]


def carry_on(connection: Connection, setup: CarrierSetup) -> None:
    """The whole life of the process: answers every `CarrierRun` until None comes.

    Says `ready` when the model is loaded and `open` when the streams of a run are, and waits for a
    word before it begins. What goes wrong is an answer that is an exception.
    """
    try:
        detector = Detector(ModelPackage.load(setup.package), provider=setup.provider)
    except ModelError as error:
        connection.send(RuntimeError(str(error)))
        return
    connection.send("ready")
    while (order := connection.recv()) is not None:
        try:
            connection.send(_carried(order, setup, detector, connection))
        except Exception as error:
            # Faults do not all survive the way between processes.
            connection.send(RuntimeError(str(error)))


def _carried(
    order: CarrierRun, setup: CarrierSetup, detector: Detector, connection: Connection
) -> Carried:
    size = detector.package.manifest.input
    view = ViewSpec(Size(size.width, size.height), size.fit)
    counts = _Counts([0] * order.streams, [0] * order.streams)
    waiting: _Waiting = queue.Queue(WAITING_BATCHES * size.max_batch)
    inferring = [
        threading.Thread(target=_infer, args=(detector, waiting, counts))
        for _ in range(detector.in_flight)
    ]
    with ExitStack() as stack:
        streams = []
        for number in range(order.streams):
            source = open_source(camera(order.recording, setup.place, number))
            stack.enter_context(closing(source))
            streams.append(source.arrivals())
            next(streams[-1])
        connection.send("open")
        connection.recv()
        started_s, cpu_started_s = time.monotonic(), time.process_time()
        for thread in inferring:
            thread.start()
        with ThreadPoolExecutor(order.streams) as pool:
            done = [
                pool.submit(_play, number, arrivals, order, started_s, view, waiting, counts)
                for number, arrivals in enumerate(streams)
            ]
        for _ in inferring:
            waiting.put(None)
        for thread in inferring:
            thread.join()
        wall_s, cpu_s = time.monotonic() - started_s, time.process_time() - cpu_started_s
        for one in done:
            one.result()
    if counts.problem is not None:
        raise counts.problem
    return Carried(
        tuple(counts.decoded), tuple(counts.inferred), tuple(counts.ages_s), cpu_s, wall_s
    )


def _play(
    number: int,
    arrivals: Iterator[object],
    order: CarrierRun,
    started_s: float,
    view: ViewSpec,
    waiting: _Waiting,
    counts: _Counts,
) -> None:
    """Plays one stream to the end of the run."""
    # Cameras are not in step.
    offset_s = number / order.streams / FPS
    index = 0
    while True:
        due_s = started_s + offset_s + index / FPS
        now_s = time.monotonic()
        if order.paced and now_s < due_s:
            time.sleep(due_s - now_s)
        due_s = due_s if order.paced else now_s
        if max(due_s, now_s) >= started_s + order.seconds:
            return
        image = next(arrivals)
        while isinstance(image, StreamSignal):
            image = next(arrivals)
        counts.decoded[number] += 1
        if (index + number) % INFER_EVERY == 0:
            waiting.put((number, due_s, image.views([view])[view].image))  # type: ignore[attr-defined]
        index += 1


def _infer(detector: Detector, waiting: _Waiting, counts: _Counts) -> None:
    """Infers what waits, in batches as large as there is something for."""
    most = detector.package.manifest.input.max_batch
    while (first := waiting.get()) is not None:
        batch = [first]
        while len(batch) < most:
            try:
                more = waiting.get_nowait()
            except queue.Empty:
                break
            if more is None:
                # The end of another thread.
                waiting.put(None)
                break
            batch.append(more)
        try:
            detector.run(np.stack([image for _, _, image in batch]))
        except ModelError as error:
            # Goes on taking, so that no stream waits for ever.
            counts.problem = error
        done_s = time.monotonic()
        with counts.lock:
            for number, due_s, _ in batch:
                counts.inferred[number] += 1
                counts.ages_s.append(done_s - due_s)

"""Cameras that a GPU carries at 1080p, 30 frames per second and 5 inferences per second each.

First as fast as all of it goes, which says what is busy then; then in real time with as many
cameras as that should carry, fewer until each of them gets its rates at a bounded frame age.
"""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.errors import BenchmarkError
from benchmarks.gpu_path.carrier import INFER_EVERY, Carried, CarrierRun, CarrierSetup, carry_on
from benchmarks.gpu_path.inference import PartResult
from benchmarks.gpu_path.recordings import FPS
from benchmarks.gpu_path.watch import GpuLoad, GpuWatch
from benchmarks.machine import whole_cores
from benchmarks.result import Cell, Metric, ResultTable
from benchmarks.streams import LEAST_RATE, MOST_PERIODS
from benchmarks.subject import Say

PUBLISHED: Final[Mapping[str, int]] = {"H.264": 148, "H.265": 229}
"""1080p streams at 30 frames per second that NVIDIA publishes for DeepStream on one H100."""

SHARES: Final = (1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5)
"""Of what the fastest run would carry; tried in this order."""

START_S: Final = 180.0
RUN_MARGIN_S: Final = 60.0

COLUMNS: Final = (
    "codec", "cameras", "DeepStream on H100", "frames/s at most", "bottleneck", "engines busy",
    "GPU busy", "host busy", "frames/s in real time", "inferences/s", "age p95 ms",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StreamBenchmark:
    """What to measure.

    Attributes:
        recordings: Recordings by codec.
        setup: What each process loads.
        streams: Streams of the run as fast as it goes.
        processes: Processes that share the cameras.
        seconds: Length of a run.
    """

    recordings: Mapping[str, Path]
    setup: CarrierSetup
    streams: int
    processes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Run:
    """All processes of one run together.

    Attributes:
        streams: How many streams.
        frames_per_s: Decoded, all of them.
        inferences_per_s: Inferred, all of them.
        slowest: The least share of its rates that a stream got in real time.
        age_p95_ms: 95th percentile of frame ages.
        busy: Share of each resource that was used, 0 to 1.
        watts: The most that the driver said of the GPU; 0 where it says nothing.
    """

    streams: int
    frames_per_s: float
    inferences_per_s: float
    slowest: float
    age_p95_ms: float
    busy: Mapping[str, float]
    watts: float = 0.0

    @classmethod
    def of(cls, parts: Sequence[Carried], seconds: float, load: GpuLoad) -> Run:
        """What processes did in a run of so many seconds."""
        decoded = [count for part in parts for count in part.decoded]
        inferred = [count for part in parts for count in part.inferred]
        ages = [age for part in parts for age in part.ages_s]
        wall_s = max(part.wall_s for part in parts)
        cpu_s = sum(part.cpu_s for part in parts)
        frames = FPS * seconds
        slowest = min(
            min(decoded) / frames, min(inferred) / max(1, math.floor(frames / INFER_EVERY))
        )
        return cls(
            streams=len(decoded),
            frames_per_s=sum(decoded) / wall_s,
            inferences_per_s=sum(inferred) / wall_s,
            slowest=slowest,
            age_p95_ms=1000 * float(np.percentile(ages, 95)) if ages else math.inf,
            busy={
                "decode engines": load.decoder,
                "GPU": load.gpu,
                "host": cpu_s / wall_s / whole_cores(),
            },
            watts=load.watts,
        )

    @property
    def bottleneck(self) -> str:
        """The resource that was busiest."""
        return max(self.busy, key=lambda name: self.busy[name])

    @property
    def meets_level(self) -> bool:
        """Whether every camera got its rates, at a frame age below two periods of inference."""
        period_ms = 1000 * INFER_EVERY / FPS
        return self.slowest >= LEAST_RATE and self.age_p95_ms < MOST_PERIODS * period_ms


def measure(benchmark: StreamBenchmark, say: Say) -> PartResult:
    """Searches the number of cameras for each codec.

    Raises:
        BenchmarkError: A process fails.
    """
    metrics: list[Metric] = []
    rows: list[tuple[Cell, ...]] = []
    with _carriers(benchmark) as connections:
        for codec, recording in benchmark.recordings.items():
            fastest = _run(connections, benchmark, recording, benchmark.streams, paced=False)
            say(f"{codec}: {_text(fastest)}; busiest: {fastest.bottleneck}")
            carried = _carried(connections, benchmark, codec, fastest, say)
            metrics += _metrics(codec, fastest, carried)
            rows.append(_row(codec, fastest, carried))
    title = "Cameras of 1080p at 30 frames/s, 5 inferences/s each, in real time"
    return PartResult(metrics, ResultTable(title=title, columns=COLUMNS, rows=tuple(rows)))


def _metrics(codec: str, fastest: Run, carried: Run | None) -> list[Metric]:
    found = (
        ("cameras", "cameras", carried.streams if carried else 0),
        ("frames_per_s", "frames/s", fastest.frames_per_s),
    )
    metrics = [
        Metric(
            name=f"streams.{name}[codec={codec}]",
            unit=unit,
            better="higher",
            samples=(float(value),),
        )
        for name, unit, value in found
    ]
    if carried is not None and carried.watts:
        name = f"streams.watts[codec={codec}]"
        metrics.append(Metric(name=name, unit="W", better="lower", samples=(carried.watts,)))
    return metrics


def _carried(
    connections: Sequence[Connection],
    benchmark: StreamBenchmark,
    codec: str,
    fastest: Run,
    say: Say,
) -> Run | None:
    """The run in real time with most cameras that met the level; None if none did."""
    most = fastest.frames_per_s / FPS
    counts = dict.fromkeys(max(1, int(most * share)) for share in SHARES)
    for count in counts:
        run = _run(connections, benchmark, benchmark.recordings[codec], count, paced=True)
        say(f"{codec}: {_text(run)}: {'met' if run.meets_level else 'missed'}")
        if run.meets_level:
            return run
    return None


def _row(codec: str, fastest: Run, carried: Run | None) -> tuple[Cell, ...]:
    busy = [f"{fastest.busy[name]:.0%}" for name in ("decode engines", "GPU", "host")]
    real_time: tuple[Cell, ...] = ("", "", "")
    if carried is not None:
        real_time = (carried.frames_per_s, carried.inferences_per_s, carried.age_p95_ms)
    count = carried.streams if carried else 0
    first = (codec, count, PUBLISHED[codec], fastest.frames_per_s, fastest.bottleneck)
    return (*first, *busy, *real_time)


def _text(run: Run) -> str:
    return (
        f"{run.streams} streams, {run.frames_per_s:.0f} frames/s, "
        f"{run.inferences_per_s:.0f} inferences/s, slowest {run.slowest:.0%} of its rate, "
        f"p95 age {run.age_p95_ms:.0f} ms"
    )


def _run(
    connections: Sequence[Connection],
    benchmark: StreamBenchmark,
    recording: Path,
    streams: int,
    *,
    paced: bool,
) -> Run:
    used = connections[: max(1, min(len(connections), streams))]
    for index, one in enumerate(used):
        share = streams // len(used) + (index < streams % len(used))
        one.send(CarrierRun(recording, share, benchmark.seconds, paced))
    for one in used:
        _answer(one, START_S)
    with GpuWatch() as watch:
        for one in used:
            one.send("begin")
        parts = [_answer(one, benchmark.seconds + RUN_MARGIN_S) for one in used]
    return Run.of([one for one in parts if isinstance(one, Carried)], benchmark.seconds, watch.load)


def _answer(connection: Connection, timeout_s: float) -> object:
    """What a process says next.

    Raises:
        BenchmarkError: It failed, or says nothing in time.
    """
    try:
        answer = connection.recv() if connection.poll(timeout_s) else None
    except EOFError:
        answer = RuntimeError("the process died")
    if answer is None:
        answer = RuntimeError(f"no answer within {timeout_s:.0f} s")
    if isinstance(answer, Exception):
        raise BenchmarkError(f"a process that carries cameras failed: {answer}")
    return answer


@contextmanager
def _carriers(benchmark: StreamBenchmark) -> Iterator[list[Connection]]:
    """Connections to processes that have loaded the model."""
    context = multiprocessing.get_context("spawn")
    pairs = [context.Pipe() for _ in range(benchmark.processes)]
    started = [
        context.Process(target=carry_on, args=(theirs, benchmark.setup), daemon=True)
        for _, theirs in pairs
    ]
    try:
        for process, (_, theirs) in zip(started, pairs, strict=True):
            process.start()
            theirs.close()
        ours = [one for one, _ in pairs]
        for one in ours:
            _answer(one, START_S)
        yield ours
        for one in ours:
            one.send(None)
        for process in started:
            process.join(10)
    finally:
        for process in started:
            if process.is_alive():
                process.kill()

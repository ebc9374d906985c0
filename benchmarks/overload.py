"""What happens from half to twice the capacity: sum of inferences, frame age, evenness.

Either the rate grows with a fixed number of cameras, so that what is asked beyond the capacity is
inference alone, or the number of cameras grows, whose decoding nobody can leave out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

import numpy as np

from benchmarks.errors import BenchmarkError
from benchmarks.machine import whole_cores
from benchmarks.result import BenchmarkResult, PlotLine, ResultPlot, ResultTable, RunStart
from benchmarks.rounds import Rounds, interleave
from benchmarks.street import Load, Street, load_for, measure
from benchmarks.street_report import COLUMNS, cells, metrics, quantities, street_settings
from benchmarks.subject import Say
from benchmarks.timed import repeat
from models import Detector, ModelPackage

Growing = Literal["rate", "cameras"]

FACTORS: Final = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
_BARE_S: Final = 2.0
_REACH: Final = 2.0
"""Cameras that are chosen here can give this many times what a bare session infers."""


@dataclass(frozen=True, slots=True)
class OverloadBenchmark:
    """What to ask.

    Attributes:
        street: Package and cameras.
        contestants: Who is asked, in this order.
        growing: What grows with the load.
        fps: Frames per second of each camera, where cameras grow.
        cameras: How many, where the rate grows; chosen by a bare session's speed if None.
        capacity: Inferences per second that count as 1; measured first if None.
        factors: Loads as multiples of the capacity.
        seconds: Length of a measurement.
        rounds: How often each load of each contestant is measured, in turns.
    """

    street: Street
    contestants: tuple[str, ...]
    growing: Growing = "rate"
    fps: float = 5.0
    cameras: int | None = None
    capacity: float | None = None
    factors: tuple[float, ...] = FACTORS
    seconds: float = 10.0
    rounds: int = 3


def run(benchmark: OverloadBenchmark, say: Say) -> BenchmarkResult:
    """Measures and returns the result.

    Raises:
        BenchmarkError: A load is impossible, or a contestant does not run.
    """
    start = RunStart()
    cameras = benchmark.cameras or _enough_cameras(benchmark.street, say)
    capacity = benchmark.capacity or _capacity(benchmark, cameras, say)
    loads = {factor: _load(benchmark, factor, capacity, cameras) for factor in benchmark.factors}
    rounds = interleave(
        {
            label(name, factor): partial(_measure_once, name, load, benchmark, say)
            for factor, load in loads.items()
            for name in benchmark.contestants
        },
        benchmark.rounds,
        lambda number, _: say(f"round {number} of {benchmark.rounds} is complete"),
    )
    return _result(benchmark, start, capacity, loads, rounds)


def label(contestant: str, factor: float) -> str:
    """How a contestant at a load is named in results."""
    return f"{contestant},load={factor:g}"


def _measure_once(
    name: str, load: Load, benchmark: OverloadBenchmark, say: Say
) -> Mapping[str, float]:
    one = measure(name, load, benchmark.street, benchmark.seconds)
    say(one.text())
    return quantities(one)


def _enough_cameras(street: Street, say: Say) -> int:
    """So many cameras that all their frames are more than can be inferred twice over."""
    package = ModelPackage.load(street.package)
    detector = Detector(package, threads=1, provider="auto")
    wanted = package.manifest.input
    image = np.zeros((1, wanted.height, wanted.width, 3), np.uint8)
    bare = repeat(lambda: len(detector.detect(image)), _BARE_S, whole_cores()).per_s
    cameras = max(1, math.ceil(_REACH * bare / street.camera_fps))
    say(f"a bare session infers {bare:.1f} images/s with nothing beside it: {cameras} cameras")
    return cameras


def _capacity(benchmark: OverloadBenchmark, cameras: int, say: Say) -> float:
    """The most inferences per second of any contestant when far too much is asked."""
    street = benchmark.street
    load = Load(cameras, street.camera_fps if benchmark.growing == "rate" else benchmark.fps)
    reached = 0.0
    for name in benchmark.contestants:
        one = measure(name, load, street, benchmark.seconds)
        say(f"asked for everything: {one.text()}")
        reached = max(reached, one.per_s)
    say(f"capacity: {reached:.1f} inferences/s")
    return reached


def _load(benchmark: OverloadBenchmark, factor: float, capacity: float, cameras: int) -> Load:
    """The load of so many times the capacity.

    Raises:
        BenchmarkError: The cameras do not give so many frames.
    """
    per_s = factor * capacity
    if benchmark.growing == "cameras":
        return Load(max(1, round(per_s / benchmark.fps)), benchmark.fps)
    fps, limit = per_s / cameras, benchmark.street.camera_fps
    if fps > limit * 1.005:
        least = math.ceil(per_s / limit * max(benchmark.factors) / factor)
        raise BenchmarkError(
            f"{cameras} cameras with {limit:g} frames/s cannot ask for {per_s:.0f} inferences/s; "
            f"give --cameras {least} or more, or --growing cameras"
        )
    return Load(cameras, min(fps, limit))


def _result(
    benchmark: OverloadBenchmark,
    start: RunStart,
    capacity: float,
    loads: Mapping[float, Load],
    rounds: Rounds,
) -> BenchmarkResult:
    street, names = benchmark.street, benchmark.contestants
    rows = []
    for factor, load in loads.items():
        for name in names:
            asked = load_for(name, load, street)
            what = (factor, name, asked.cameras, asked.fps, asked.per_s)
            rows.append((*what, *cells(rounds, label(name, factor))))
    return start.result(
        "overload",
        {
            **street_settings(street),
            "contestants": list(names),
            "growing": benchmark.growing,
            "capacity": capacity,
            "seconds": benchmark.seconds,
            "rounds": benchmark.rounds,
        },
        metrics("overload", rounds, [label(name, factor) for factor in loads for name in names]),
        [
            ResultTable(
                title=f"Loads around {capacity:.0f} inferences/s, medians of {benchmark.rounds}",
                columns=("load", "contestant", "cameras", "fps asked", "asked/s", *COLUMNS),
                rows=tuple(rows),
            ),
            _kept(benchmark, rounds),
        ],
        _plot(benchmark, capacity, rounds),
    )


def _kept(benchmark: OverloadBenchmark, rounds: Rounds) -> ResultTable:
    """How much of its own maximum each contestant keeps at the greatest load."""
    greatest = max(benchmark.factors)
    rows = []
    for name in benchmark.contestants:
        sums = {
            factor: rounds.spread(label(name, factor), "inferences_per_s").median
            for factor in benchmark.factors
        }
        most = max(sums.values())
        rows.append((name, most, sums[greatest], sums[greatest] / most))
    return ResultTable(
        title=f"What is left of the own maximum at {greatest:g} times the capacity",
        columns=("contestant", "most inferences/s", f"at {greatest:g}", "share"),
        rows=tuple(rows),
    )


def _plot(benchmark: OverloadBenchmark, capacity: float, rounds: Rounds) -> ResultPlot:
    """The sum of inferences over the load."""
    lines = []
    for name in benchmark.contestants:
        spreads = [
            rounds.spread(label(name, factor), "inferences_per_s") for factor in benchmark.factors
        ]
        lines.append(
            PlotLine(
                name=name,
                x=benchmark.factors,
                y=tuple(one.median for one in spreads),
                low=tuple(one.least for one in spreads),
                high=tuple(one.most for one in spreads),
            )
        )
    return ResultPlot(
        title="Inferences per second under growing load",
        x_label=f"load, 1 is {capacity:.0f} inferences/s",
        y_label="inferences/s",
        lines=tuple(lines),
    )

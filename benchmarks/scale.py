"""What a camera costs, from one to many: processor time, memory, and the slope of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from benchmarks.result import (
    BenchmarkResult,
    Cell,
    Metric,
    PlotLine,
    ResultPlot,
    ResultTable,
    RunStart,
)
from benchmarks.rounds import Rounds, interleave
from benchmarks.street import Load, Street, check_rate, measure
from benchmarks.street_report import COLUMNS, cells, metrics, quantities, street_settings
from benchmarks.subject import Say

COSTS: Final[Mapping[str, str]] = {"cpu_cores": "cores", "pss_mb": "MB"}
"""What a camera costs, by quantity of a run, with its unit."""


@dataclass(frozen=True, slots=True)
class ScaleBenchmark:
    """What to measure.

    Attributes:
        street: Package and cameras.
        contestants: Who is measured, in this order.
        fps: Frames per second of each camera that are asked for.
        counts: Numbers of cameras.
        seconds: Length of a measurement.
        rounds: How often each number of each contestant is measured, in turns.
    """

    street: Street
    contestants: tuple[str, ...]
    fps: float
    counts: tuple[int, ...]
    seconds: float = 10.0
    rounds: int = 3


@dataclass(frozen=True, slots=True)
class StraightLine:
    """A line by least squares: `base + slope * x`.

    Attributes:
        slope: Its slope.
        base: Its value at 0.
        error: Standard error of the slope; 0 where there are too few points.
    """

    slope: float
    base: float
    error: float

    @classmethod
    def through(cls, x: Sequence[float], y: Sequence[float]) -> StraightLine:
        """The line through points; level where all have the same x."""
        along, across = np.asarray(x, float), np.asarray(y, float)
        spread = float(((along - along.mean()) ** 2).sum())
        if spread == 0:
            return cls(0.0, float(across.mean()), 0.0)
        slope = float(((along - along.mean()) * (across - across.mean())).sum()) / spread
        base = float(across.mean() - slope * along.mean())
        free = len(along) - 2
        rest = float(((across - base - slope * along) ** 2).sum())
        return cls(slope, base, float(np.sqrt(rest / free / spread)) if free > 0 else 0.0)


def counts_up_to(most: int) -> tuple[int, ...]:
    """1, 2, 4 and so on up to a number, and that number."""
    doubling = [1 << power for power in range(most.bit_length()) if 1 << power < most]
    return (*doubling, most)


def run(benchmark: ScaleBenchmark, say: Say) -> BenchmarkResult:
    """Measures and returns the result.

    Raises:
        BenchmarkError: The rate is impossible for a contestant, or one does not run.
    """
    check_rate(benchmark.contestants, Load(1, benchmark.fps), benchmark.street)
    start = RunStart()
    rounds = interleave(
        {
            _label(name, count): partial(_measure_once, name, count, benchmark, say)
            for count in benchmark.counts
            for name in benchmark.contestants
        },
        benchmark.rounds,
        lambda number, _: say(f"round {number} of {benchmark.rounds} is complete"),
    )
    return _result(benchmark, start, rounds)


def _label(contestant: str, count: int) -> str:
    return f"{contestant},cameras={count}"


def _measure_once(
    name: str, count: int, benchmark: ScaleBenchmark, say: Say
) -> Mapping[str, float]:
    one = measure(name, Load(count, benchmark.fps), benchmark.street, benchmark.seconds)
    say(one.text())
    return quantities(one)


def _lines(benchmark: ScaleBenchmark, rounds: Rounds, name: str, cost: str) -> list[StraightLine]:
    """The line of a cost over the number of cameras, of each round."""
    samples = [rounds.samples(_label(name, count), cost) for count in benchmark.counts]
    return [
        StraightLine.through(benchmark.counts, [one[number] for one in samples])
        for number in range(benchmark.rounds)
    ]


def _result(benchmark: ScaleBenchmark, start: RunStart, rounds: Rounds) -> BenchmarkResult:
    pairs = [(name, count) for count in benchmark.counts for name in benchmark.contestants]
    fitted = {
        (name, cost): _lines(benchmark, rounds, name, cost)
        for name in benchmark.contestants
        for cost in COSTS
    }
    return start.result(
        "scale",
        {
            **street_settings(benchmark.street),
            "contestants": list(benchmark.contestants),
            "fps": benchmark.fps,
            "counts": list(benchmark.counts),
            "seconds": benchmark.seconds,
            "rounds": benchmark.rounds,
        },
        [
            *metrics("scale", rounds, [_label(name, count) for name, count in pairs]),
            *(
                Metric(
                    name=f"scale.{cost}_per_camera[{name}]",
                    unit=COSTS[cost],
                    better="lower",
                    samples=tuple(line.slope for line in lines),
                )
                for (name, cost), lines in fitted.items()
            ),
        ],
        [_slopes(fitted), _costs(rounds, pairs, fitted)],
        _plot(benchmark, rounds),
    )


Fitted = Mapping[tuple[str, str], Sequence[StraightLine]]
"""Lines of each round, by contestant and cost."""


def _slopes(fitted: Fitted) -> ResultTable:
    return ResultTable(
        title="What a further camera costs, by least squares over the numbers of cameras",
        columns=("contestant", "cost", "per camera", "least", "greatest", "standard error", "base"),
        rows=tuple(
            (
                name,
                COSTS[cost],
                float(np.median([one.slope for one in lines])),
                min(one.slope for one in lines),
                max(one.slope for one in lines),
                max(one.error for one in lines),
                float(np.median([one.base for one in lines])),
            )
            for (name, cost), lines in fitted.items()
        ),
    )


def _costs(rounds: Rounds, pairs: Sequence[tuple[str, int]], fitted: Fitted) -> ResultTable:
    """Every number of cameras: what a camera costs there without the base, and all quantities."""
    rows: list[tuple[Cell, ...]] = []
    for name, count in pairs:
        label = _label(name, count)
        beside_base = [
            (
                rounds.spread(label, cost).median
                - np.median([one.base for one in fitted[name, cost]])
            )
            / count
            for cost in COSTS
        ]
        rows.append((name, count, *map(float, beside_base), *cells(rounds, label)))
    per_camera = (f"{unit} per camera beside the base" for unit in COSTS.values())
    return ResultTable(
        title="By number of cameras",
        columns=("contestant", "cameras", *per_camera, *COLUMNS),
        rows=tuple(rows),
    )


def _plot(benchmark: ScaleBenchmark, rounds: Rounds) -> ResultPlot:
    lines = []
    for name in benchmark.contestants:
        spreads = [rounds.spread(_label(name, count), "cpu_cores") for count in benchmark.counts]
        lines.append(
            PlotLine(
                name=name,
                x=tuple(map(float, benchmark.counts)),
                y=tuple(one.median for one in spreads),
                low=tuple(one.least for one in spreads),
                high=tuple(one.most for one in spreads),
            )
        )
    return ResultPlot(
        title=f"Processor time at {benchmark.fps:.4g} frames/s per camera",
        x_label="cameras",
        y_label="cores",
        lines=tuple(lines),
    )

"""`cityeye bench tracker`: how well objects keep their identity, and what that costs.

Drawn crowds and drawn traffic that hide one another are seen by a detector with the faults of real
ones. The same boxes go to the tracker of a city and to plain ByteTrack of the library `trackers`,
at several rates. Each seed is another scene, other faults, and one sample of each metric.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

import numpy as np
from pydantic import JsonValue

from benchmarks.errors import BenchmarkError
from benchmarks.result import BenchmarkResult, Metric, Quantity, ResultTable, RunStart
from benchmarks.rounds import Quantities, Spread, interleave
from benchmarks.subject import Say
from benchmarks.tracking.contestants import ByteTrack, CityTracker
from benchmarks.tracking.mot import evaluate
from benchmarks.tracking.sequence import (
    FULL_FPS,
    THRESHOLD,
    NewFollower,
    SequenceFrame,
    at_rate,
    followed,
    recorded,
)
from simulation.scenes import Scene, busy_crossroad, busy_square

CONTESTANTS: Final[Mapping[str, NewFollower]] = {"cityeye": CityTracker, "bytetrack": ByteTrack}
SCENES: Final[Mapping[str, Callable[[int], Scene]]] = {
    "square": busy_square,
    "crossroad": busy_crossroad,
}
RATES: Final = (2.0, 5.0, 10.0, FULL_FPS)
OBJECTS: Final = 30
OBJECTS_OFF: Final = 4
"""The cost is that of frames with about so many detections."""

COST_FPS: Final = 5.0
QUANTITIES: Final = (
    Quantity("mota", "", "higher"),
    Quantity("idf1", "", "higher"),
    Quantity("switches", "", "lower"),
    Quantity("ghosts_per_min", "1/min", "lower"),
    Quantity("riders_on_foot", "persons", "lower"),
)


@dataclass(frozen=True, slots=True)
class TrackerBenchmark:
    """What to compare.

    Attributes:
        seeds: How many scenes of each kind.
        seconds: Length of each.
        rates: Frames per second that the trackers get.
        rounds: How often the cost is measured, in turns.
    """

    seeds: int = 5
    seconds: float = 40.0
    rates: tuple[float, ...] = RATES
    rounds: int = 5


SampleKey = tuple[str, float, str]
"""Scene, rate and contestant."""


def run(benchmark: TrackerBenchmark, say: Say) -> BenchmarkResult:
    """Draws the scenes and follows what is in them.

    Raises:
        BenchmarkError: The library to compare with is not installed.
    """
    if find_spec("trackers") is None:
        raise BenchmarkError(
            "the library `trackers` is not installed: it is no part of CityEye and only needed to "
            "compare with; `uv sync --inexact --group tracking` brings it"
        )
    start = RunStart()
    samples: dict[SampleKey, list[Quantities]] = {}
    crowded: list[SequenceFrame] = []
    for name, make in SCENES.items():
        for seed in range(1, benchmark.seeds + 1):
            say(f"{name} {seed}: drawing {benchmark.seconds:g} s, then following")
            frames = recorded(make(seed), seed, benchmark.seconds)
            for fps in benchmark.rates:
                for who, new_follower in CONTESTANTS.items():
                    figures = evaluate([followed(frames, fps, new_follower)])
                    values = {one.name: float(getattr(figures, one.name)) for one in QUANTITIES}
                    samples.setdefault((name, fps, who), []).append(values)
            crowded = min(crowded or frames, frames, key=_off)
    say("cost")
    cost = interleave(
        {who: _cost_of(crowded, new) for who, new in CONTESTANTS.items()}, benchmark.rounds
    )
    settings: dict[str, JsonValue] = {
        "seeds": benchmark.seeds,
        "seconds": benchmark.seconds,
        "rates": list(benchmark.rates),
        "rounds": benchmark.rounds,
        "threshold": THRESHOLD,
    }
    costs = [
        Metric(
            name=f"tracker.ms[who={who}]",
            unit="ms",
            better="lower",
            samples=cost.samples(who, "ms"),
        )
        for who in CONTESTANTS
    ]
    rows = [
        (who, cost.spread(who, "ms").text(3), round(cost.spread(who, "detections").median, 1))
        for who in CONTESTANTS
    ]
    tables = [
        _table(samples),
        ResultTable(
            title=f"Frames with about {OBJECTS} detections at {COST_FPS:g} fps, in turns",
            columns=("tracker", "ms per frame", "detections per frame"),
            rows=tuple(rows),
        ),
    ]
    return start.result("tracker", settings, [*_metrics(samples), *costs], tables)


def _off(frames: Sequence[SequenceFrame]) -> float:
    """How far a sequence is from the number of detections that the cost is measured at."""
    return abs(float(np.mean([len(frame.detections) for frame in frames])) - OBJECTS)


def _cost_of(
    frames: Sequence[SequenceFrame], new_follower: NewFollower
) -> Callable[[], Quantities]:
    def measure() -> Quantities:
        follower = new_follower(COST_FPS)
        took_s, counts = [], []
        for frame in at_rate(frames, COST_FPS):
            before_s = time.perf_counter()
            follower.follow(frame.detections, frame.at_s)
            if abs(len(frame.detections) - OBJECTS) <= OBJECTS_OFF:
                took_s.append(time.perf_counter() - before_s)
                counts.append(len(frame.detections))
        if not took_s:
            return {"ms": 0.0, "detections": 0.0}
        return {"ms": 1000 * float(np.median(took_s)), "detections": float(np.mean(counts))}

    measure()
    return measure


def _metrics(samples: Mapping[SampleKey, Sequence[Quantities]]) -> list[Metric]:
    return [
        Metric(
            name=f"tracker.{one.name}[scene={scene},fps={fps:g},who={who}]",
            unit=one.unit,
            better=one.better,
            samples=tuple(values[one.name] for values in rounds),
        )
        for (scene, fps, who), rounds in samples.items()
        for one in QUANTITIES
    ]


def _table(samples: Mapping[SampleKey, Sequence[Quantities]]) -> ResultTable:
    def cell(rounds: Sequence[Quantities], name: str, digits: int) -> str:
        return Spread.of([values[name] for values in rounds]).text(digits)

    rows = [
        (
            scene,
            f"{fps:g}",
            who,
            cell(rounds, "mota", 3),
            cell(rounds, "idf1", 3),
            cell(rounds, "switches", 0),
            cell(rounds, "ghosts_per_min", 1),
            cell(rounds, "riders_on_foot", 2),
        )
        for (scene, fps, who), rounds in samples.items()
    ]
    return ResultTable(
        title="Median over the seeds, with the least and the greatest",
        columns=(
            "scene",
            "fps",
            "tracker",
            "MOTA",
            "IDF1",
            "switches",
            "ghosts per minute",
            "riders reported as on foot, per frame",
        ),
        rows=tuple(rows),
    )

"""The largest number of cameras at a service level, by search over real RTSP.

The level: every camera gets 95 % of the rate that was asked for, and the 95th percentile of frame
ages is under two periods of that rate. A number of cameras that misses it gets a second chance, so
that one disturbance does not decide. Contestants search in turns, a probe each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks.errors import BenchmarkError
from benchmarks.result import (
    BenchmarkResult,
    Cell,
    Metric,
    PlotLine,
    ResultPlot,
    ResultTable,
    RunStart,
)
from benchmarks.street import Load, Street, StreetRun, check_rate, measure
from benchmarks.street_report import COLUMNS, UNITS, quantities, street_settings
from benchmarks.subject import Say

LEAST_RATE: Final = 0.95
MOST_PERIODS: Final = 2.0
_CHANCES: Final = 2


@dataclass(frozen=True, slots=True)
class StreamsBenchmark:
    """What to search.

    Attributes:
        street: Package and cameras.
        contestants: Who searches, in this order.
        fps: Frames per second of each camera that are asked for.
        first: Cameras of the first probe.
        most: Cameras beyond which nobody searches.
        seconds: Length of a probe.
        rounds: How often the whole search is done.
        predicted: Cameras that `cityeye plan` says fit; None where it was not asked.
    """

    street: Street
    contestants: tuple[str, ...]
    fps: float
    first: int = 8
    most: int = 256
    seconds: float = 10.0
    rounds: int = 1
    predicted: int | None = None


@dataclass(slots=True)
class StreamSearch:
    """The search for the largest number that passes: doubling, then halving the gap.

    Attributes:
        passed: The largest number that passed, 0 if none did.
        missed: The least number that missed; one more than the limit if none did.
        count: The number to try next; the result once `done`.
    """

    count: int
    most: int
    passed: int = 0
    missed: int = field(init=False)

    def __post_init__(self) -> None:
        self.count = min(self.count, self.most)
        self.missed = self.most + 1

    @property
    def done(self) -> bool:
        """Whether nothing is left to try."""
        return self.missed - self.passed <= 1

    def note(self, *, passes: bool) -> None:
        """Takes the outcome for `count` and chooses the next one."""
        if passes:
            self.passed = self.count
        else:
            self.missed = self.count
        if self.missed > self.most:
            self.count = min(2 * self.count, self.most)
        else:
            self.count = (self.passed + self.missed) // 2


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe: what was measured in which round, and whether it met the service level."""

    round: int
    run: StreetRun
    passes: bool


def meets_level(run: StreetRun) -> bool:
    """Whether a run met the service level."""
    asked = run.load.fps
    fresh = run.age_p95_ms < MOST_PERIODS * 1000 / asked
    return min(run.rates) >= LEAST_RATE * asked and fresh


def run(benchmark: StreamsBenchmark, say: Say) -> BenchmarkResult:
    """Searches and returns the result.

    Raises:
        BenchmarkError: The rate is impossible for a contestant, or one does not run.
    """
    check_rate(benchmark.contestants, Load(1, benchmark.fps), benchmark.street)
    start = RunStart()
    probes: list[Probe] = []
    found: dict[str, list[int]] = {name: [] for name in benchmark.contestants}
    for number in range(1, benchmark.rounds + 1):
        for name, count in _search_in_turns(benchmark, number, probes, say).items():
            found[name].append(count)
            say(f"round {number}: {name} carries {count} cameras at {benchmark.fps:.4g}/s")
    return _result(benchmark, start, probes, found)


def _search_in_turns(
    benchmark: StreamsBenchmark, number: int, probes: list[Probe], say: Say
) -> dict[str, int]:
    searches = {
        name: StreamSearch(benchmark.first, benchmark.most) for name in benchmark.contestants
    }
    while waiting := [name for name, search in searches.items() if not search.done]:
        for name in waiting:
            search = searches[name]
            search.note(passes=_passes(name, search, number, benchmark, probes, say))
    return {name: search.passed for name, search in searches.items()}


def _passes(
    name: str,
    search: StreamSearch,
    number: int,
    benchmark: StreamsBenchmark,
    probes: list[Probe],
    say: Say,
) -> bool:
    """Whether a contestant meets the level with the count of its search, at the second chance."""
    load = Load(search.count, benchmark.fps)
    for _ in range(_CHANCES):
        try:
            one = measure(name, load, benchmark.street, benchmark.seconds)
        except BenchmarkError as error:
            if not search.passed:
                raise
            # It has run with fewer cameras: so many are too many for it.
            say(f"{error}: misses")
            continue
        probes.append(Probe(number, one, meets_level(one)))
        say(f"{one.text()}: {'passes' if probes[-1].passes else 'misses'}")
        if probes[-1].passes:
            return True
    return False


def _result(
    benchmark: StreamsBenchmark,
    start: RunStart,
    probes: Sequence[Probe],
    found: dict[str, list[int]],
) -> BenchmarkResult:
    level = (
        f"{LEAST_RATE:.0%} of {benchmark.fps:.4g}/s for every camera, p95 frame age under "
        f"{MOST_PERIODS * 1000 / benchmark.fps:.0f} ms"
    )
    summary = ResultTable(
        title=f"Largest number of cameras with {level}",
        columns=("contestant", "cameras", "least", "greatest"),
        rows=tuple(
            (name, sorted(counts)[len(counts) // 2], min(counts), max(counts))
            for name, counts in found.items()
        )
        + _prediction(benchmark),
    )
    every = ResultTable(
        title="Every probe",
        columns=("round", "contestant", "cameras", *COLUMNS, "level"),
        rows=tuple(_row(probe) for probe in probes),
    )
    return start.result(
        "streams",
        {
            **street_settings(benchmark.street),
            "contestants": list(benchmark.contestants),
            "fps": benchmark.fps,
            "seconds": benchmark.seconds,
            "rounds": benchmark.rounds,
            "predicted": benchmark.predicted,
        },
        [
            Metric(
                name=f"streams.cameras[{name}]",
                unit="cameras",
                better="higher",
                samples=tuple(map(float, counts)),
            )
            for name, counts in found.items()
        ]
        + _watts(probes),
        [summary, every],
        _plot(benchmark, probes),
    )


def _prediction(benchmark: StreamsBenchmark) -> tuple[tuple[Cell, ...], ...]:
    """A row for what the cost model says of this machine, measured just before the search."""
    if benchmark.predicted is None:
        return ()
    return (("predicted by `cityeye plan`", benchmark.predicted, "", ""),)


def _watts(probes: Sequence[Probe]) -> list[Metric]:
    """Power of the machine at the largest number that met the level, by contestant."""
    most: dict[str, StreetRun] = {}
    for run in (probe.run for probe in probes if probe.passes and probe.run.watts is not None):
        best = most.get(run.contestant)
        if best is None or run.load.cameras >= best.load.cameras:
            most[run.contestant] = run
    return [
        Metric(name=f"streams.watts[{name}]", unit="W", better="lower", samples=(run.watts,))
        for name, run in most.items()
        if run.watts is not None
    ]


def _row(probe: Probe) -> tuple[Cell, ...]:
    run = probe.run
    values = quantities(run)
    return (
        probe.round,
        run.contestant,
        run.load.cameras,
        *(values[name] for name in UNITS),
        "met" if probe.passes else "missed",
    )


def _plot(benchmark: StreamsBenchmark, probes: Sequence[Probe]) -> ResultPlot:
    """Frame age over the number of cameras."""
    lines = []
    for name in benchmark.contestants:
        runs = sorted((p.run for p in probes if p.run.contestant == name), key=_cameras)
        ages = tuple(one.age_p95_ms for one in runs)
        lines.append(PlotLine(name=name, x=tuple(map(_cameras, runs)), y=ages))
    return ResultPlot(
        title=f"Frame age at {benchmark.fps:.4g} frames/s per camera",
        x_label="cameras",
        y_label="p95 frame age in ms",
        lines=tuple(lines),
    )


def _cameras(run: StreetRun) -> float:
    return float(run.load.cameras)

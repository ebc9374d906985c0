"""Whether anything grows: one contestant for a long time, its memory, files and threads sampled."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.result import BenchmarkResult, Metric, PlotLine, ResultPlot, ResultTable, RunStart
from benchmarks.scale import StraightLine
from benchmarks.street import CITYEYE, Load, RunningContestant, Street, running
from benchmarks.street_report import COLUMNS, UNITS, quantities, street_settings
from benchmarks.subject import Say

SAMPLE_S: Final = 10.0
TENDENCIES: Final[Mapping[str, str]] = {
    "pss_mb": "MB",
    "files": "file descriptors",
    "threads": "threads",
    "processes": "processes",
    "cpu_cores": "cores",
}
"""What is sampled, with its unit."""

SoakSample = Mapping[str, float]
"""One value per name of `TENDENCIES`, and `hours` since the start."""

_SECONDS_PER_HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True)
class SoakBenchmark:
    """What to run.

    Attributes:
        street: Package and cameras.
        load: What is asked.
        minutes: For how long, after a warm-up of a tenth of it.
        contestant: Who runs.
        sample_s: Seconds between samples.
    """

    street: Street
    load: Load
    minutes: float
    contestant: str = CITYEYE
    sample_s: float = SAMPLE_S


def run(benchmark: SoakBenchmark, say: Say) -> BenchmarkResult:
    """Runs and returns the result.

    Raises:
        BenchmarkError: The contestant does not run, or ended meanwhile.
    """
    start = RunStart()
    with running(benchmark.contestant, benchmark.load, benchmark.street) as one:
        say(f"{benchmark.contestant} runs {benchmark.load.cameras} cameras; warming up")
        time.sleep(6 * benchmark.minutes)
        samples = _samples(one, benchmark, say)
        last = one.measure(benchmark.sample_s)
    say(last.text())
    hours = [sample["hours"] for sample in samples]
    lines = {
        name: StraightLine.through(hours, [sample[name] for sample in samples])
        for name in TENDENCIES
    }
    growth = ResultTable(
        title=f"Growth over {benchmark.minutes:g} minutes, {len(samples)} samples",
        columns=("quantity", "per hour", "standard error", "first", "last", "least", "greatest"),
        rows=tuple(
            (unit, lines[name].slope, lines[name].error, *_ends(samples, name))
            for name, unit in TENDENCIES.items()
        ),
    )
    at_the_end = ResultTable(
        title="At the end",
        columns=("cameras", *COLUMNS),
        rows=((last.load.cameras, *(quantities(last)[name] for name in UNITS)),),
    )
    return start.result(
        "soak",
        {
            **street_settings(benchmark.street),
            "contestant": benchmark.contestant,
            "cameras": benchmark.load.cameras,
            "fps": benchmark.load.fps,
            "minutes": benchmark.minutes,
        },
        [
            Metric(
                name=f"soak.{name}", unit=unit, better="lower",
                samples=tuple(sample[name] for sample in samples),
            )
            for name, unit in TENDENCIES.items()
        ],
        [growth, at_the_end],
        ResultPlot(
            title=f"Memory of {benchmark.contestant} with {benchmark.load.cameras} cameras",
            x_label="minutes",
            y_label="MB",
            lines=(
                PlotLine(
                    name="PSS of all processes",
                    x=tuple(60 * hour for hour in hours),
                    y=tuple(sample["pss_mb"] for sample in samples),
                ),
            ),
        ),
    )  # fmt: skip


def _samples(one: RunningContestant, benchmark: SoakBenchmark, say: Say) -> list[SoakSample]:
    begin_s = time.monotonic()
    end_s = begin_s + 60 * benchmark.minutes
    samples: list[SoakSample] = []
    before, before_s = one.program.consumption(), begin_s
    while (now_s := time.monotonic()) < end_s or len(samples) < 2:  # noqa: PLR2004 - a line
        time.sleep(benchmark.sample_s)
        one.check()
        used, now_s = one.program.consumption(), time.monotonic()
        samples.append(
            {
                "hours": (now_s - begin_s) / _SECONDS_PER_HOUR,
                "pss_mb": used.pss_mb,
                "files": used.files,
                "threads": used.threads,
                "processes": len(used.cpu_s),
                "cpu_cores": used.cpu_since(before) / (now_s - before_s),
            }
        )
        before, before_s = used, now_s
        if len(samples) % 6 == 0:
            say(f"{(now_s - begin_s) / 60:.1f} min: {used.pss_mb:.0f} MB, {used.files} files")
    return samples


def _ends(samples: Sequence[SoakSample], name: str) -> tuple[float, float, float, float]:
    values = [sample[name] for sample in samples]
    return values[0], values[-1], min(values), max(values)

"""What grows: memory, descriptors and threads of every process of a city, one by one.

A sum over all processes would hide one that grows behind another that shrinks.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from benchmarks.processes import GCS, MAIN, command_of, process_name
from benchmarks.result import Cell, Metric, PlotLine, ResultPlot, ResultTable
from benchmarks.scale import StraightLine
from serving import PROC, PROCESS_GONE, RunningProcess, processes_below

SAMPLE_S: Final = 10.0
MOST_MB_PER_HOUR: Final = 1.0
MORE_FILES: Final = 5
MORE_THREADS: Final = 3
"""How many more there may be at the end than at the begin: of what comes and goes with a camera."""

_SECONDS_PER_HOUR: Final = 3600.0
_BYTES_PER_MB: Final = 1e6
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_EDGE: Final = 5
"""The begin and the end of a run are a fifth of it each."""


@dataclass(frozen=True, slots=True)
class ProcessSample:
    """A process at a moment: `at_s` is monotonic; `rss_mb` is resident, shared pages included."""

    at_s: float
    rss_mb: float
    files: int
    threads: int


@dataclass(frozen=True, slots=True)
class ProcessGrowth:
    """One process over a time, from its first sample there to its last.

    Attributes:
        name: What it is.
        pid: Its id.
        stayed: Whether it was there all the time.
    """

    name: str
    pid: int
    samples: Sequence[ProcessSample]
    stayed: bool

    @property
    def rss(self) -> StraightLine:
        """Its memory in MB over hours."""
        hours = [one.at_s / _SECONDS_PER_HOUR for one in self.samples]
        return StraightLine.through(hours, [one.rss_mb for one in self.samples])

    def ends(self, value: Callable[[ProcessSample], float]) -> tuple[float, float]:
        """The medians of the first and of the last fifth."""
        count = max(1, len(self.samples) // _EDGE)
        first, last = self.samples[:count], self.samples[-count:]
        return statistics.median(map(value, first)), statistics.median(map(value, last))


class GrowthWatch:
    """Samples every process below one; `sample` is called by one thread."""

    def __init__(self, root: Callable[[], int]) -> None:
        """`root` gives the process id of the main process; 0 while there is none."""
        self._root = root
        self._samples: dict[tuple[int, int], list[ProcessSample]] = {}
        self._names: dict[int, str] = {}
        self._sampled_s: list[float] = []

    def sample(self) -> None:
        """Takes one sample of each."""
        root, now_s = self._root(), time.monotonic()
        if not root:
            return
        for process in _with_below(root):
            if process.state in "XZ":
                continue
            with suppress(*PROCESS_GONE):
                samples = self._samples.setdefault((process.pid, process.started), [])
                samples.append(_sample(process, now_s))
                # Processes of Ray give themselves a title once they know what they are for.
                self._names[process.pid] = (
                    MAIN if process.pid == root else process_name(command_of(process.pid))
                )
        self._sampled_s.append(now_s)

    def between(self, begin_s: float, end_s: float) -> list[ProcessGrowth]:
        """Every process that was there between two monotonic times."""
        sampled = sum(begin_s <= at_s <= end_s for at_s in self._sampled_s)
        found = []
        for (pid, _), samples in list(self._samples.items()):
            within = [one for one in samples if begin_s <= one.at_s <= end_s]
            if within:
                found.append(ProcessGrowth(self._names[pid], pid, within, len(within) == sampled))
        return sorted(found, key=lambda one: (one.name, one.pid))


def _with_below(root: int) -> Iterator[RunningProcess]:
    with suppress(*PROCESS_GONE):
        yield RunningProcess.read(root)
    yield from processes_below(root)


def _sample(process: RunningProcess, now_s: float) -> ProcessSample:
    folder = PROC / str(process.pid)
    pages = int((folder / "statm").read_text().split()[1])
    files = len(os.listdir(folder / "fd"))
    return ProcessSample(now_s, pages * _PAGE_BYTES / _BYTES_PER_MB, files, process.threads)


def growth_table(processes: Sequence[ProcessGrowth]) -> ResultTable:
    """How each process stands that stayed."""
    rows: list[tuple[Cell, ...]] = []
    for one in processes:
        if one.stayed:
            first_mb, last_mb = one.ends(lambda sample: sample.rss_mb)
            files = one.ends(lambda sample: sample.files)
            threads = one.ends(lambda sample: sample.threads)
            line = one.rss
            rows.append(
                (one.name, line.slope, line.error, first_mb, last_mb, *map(int, (*files, *threads)))
            )
    columns = (
        "process", "MB per hour", "standard error", "MB first", "last",
        "descriptors first", "last", "threads first", "last",
    )  # fmt: skip
    return ResultTable(title="Growth by process", columns=columns, rows=tuple(rows))


def broken_growth(processes: Sequence[ProcessGrowth]) -> list[str]:
    """What grows or did not stay, a sentence each. The GCS of Ray may grow; the table names it."""
    problems = []
    for one in processes:
        if not one.stayed:
            problems.append(f"{one.name} {one.pid} was not there all the time")
            continue
        if one.rss.slope > MOST_MB_PER_HOUR and one.name != GCS:
            problems.append(f"{one.name} {one.pid} grows by {one.rss.slope:.1f} MB per hour")
        for what, value, more in (
            ("descriptors", lambda sample: sample.files, MORE_FILES),
            ("threads", lambda sample: sample.threads, MORE_THREADS),
        ):
            first, last = one.ends(value)
            if last > first + more:
                problems.append(f"{one.name} {one.pid} has {last:g} {what} after {first:g}")
    return problems


def growth_metrics(processes: Sequence[ProcessGrowth]) -> list[Metric]:
    """The memory of each process that stayed."""
    return [
        Metric(
            name=f"chaos.rss_mb[{one.name} {one.pid}]",
            unit="MB",
            better="lower",
            samples=tuple(sample.rss_mb for sample in one.samples),
        )
        for one in processes
        if one.stayed
    ]


def growth_plot(processes: Sequence[ProcessGrowth]) -> ResultPlot:
    """Their memory over minutes."""
    stayed = [one for one in processes if one.stayed]
    begin_s = min((one.samples[0].at_s for one in stayed), default=0.0)
    return ResultPlot(
        title="Memory while cameras, receivers and the store come and go",
        x_label="minutes",
        y_label="resident MB",
        lines=tuple(
            PlotLine(
                name=one.name,
                x=tuple((sample.at_s - begin_s) / 60 for sample in one.samples),
                y=tuple(sample.rss_mb for sample in one.samples),
            )
            for one in stayed
        ),
    )

"""`cityeye bench pipeline`: what an inferred frame of a running city costs, and where.

The city is the real one by default settings, over RTSP, with cameras and benchmark in processes of
their own. Each round measures it three times, in turns: not profiled at all, with clocks around the
stages, and with a sampler; so the cost of profiling is known. `benchmarks.profiling.account` says
what belongs where.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from benchmarks.processes import REPLICAS
from benchmarks.profiling.account import (
    PER_MS,
    ProfileWindow,
    WorkerTotals,
    own_cpu_ms,
    totals,
)
from benchmarks.profiling.city import ProfiledCitySpec, profiled_city
from benchmarks.profiling.hooks import (
    CONVERSION,
    COVERAGE,
    DECODE,
    DEMUX,
    EVIDENCE,
    FRAME,
    RULES,
    RUN,
    SIGNALS,
    STATISTICS,
    TRACKER,
    check_hooks,
)
from benchmarks.profiling.recorder import MODES, ProfileLine, ProfileMode
from benchmarks.result import (
    BenchmarkResult,
    Cell,
    PlotStack,
    Quantity,
    ResultPlot,
    ResultTable,
    RunStart,
    metrics_of,
)
from benchmarks.rounds import Quantities, Rounds
from benchmarks.subject import Say
from models import ModelPackage

OWN_TARGET_MS: Final = 1.5
CONTROL_TARGET_PERCENT: Final = 8.0
"""Aims: of a worker per inferred frame, and of all control processes with eight cameras."""

FUNCTIONS_SHOWN: Final = 25
WAITS_SHOWN: Final = 20
PERCENT: Final = 100.0
LEAST_PERCENT: Final = 0.05
"""Processes and stages below are left out of tables, in percent of a core."""

QUANTITIES: Final = (
    Quantity("pipeline.worker_own_cpu", "ms/frame", "lower"),
    Quantity("pipeline.control_cpu", "% of a core", "lower"),
    Quantity("pipeline.worker_cpu", "ms/frame", "lower"),
    Quantity("pipeline.replica_cpu", "ms/frame", "lower"),
    Quantity("pipeline.decode_cpu", "ms/frame", "lower"),
    Quantity("pipeline.run_cpu", "ms/image", "lower"),
    Quantity("pipeline.run_time", "ms/batch", "lower"),
    Quantity("pipeline.queue_time", "ms/batch", "lower"),
    Quantity("pipeline.reader_beside_cpu", "ms/frame", "lower"),
    Quantity("pipeline.conversion_cpu", "ms/frame", "lower"),
    Quantity("pipeline.tracker_cpu", "ms/frame", "lower"),
    Quantity("pipeline.signals_cpu", "ms/frame", "lower"),
    Quantity("pipeline.rules_cpu", "ms/frame", "lower"),
    Quantity("pipeline.inferred", "frames/s", "higher"),
    Quantity("pipeline.clocks_cost", "ms/frame", "lower"),
    Quantity("pipeline.sampler_cost", "ms/frame", "lower"),
)


@dataclass(frozen=True, slots=True)
class PipelineBenchmark:
    """What to profile.

    Attributes:
        package: The model that every camera needs.
        clips: What the cameras show, by name.
        detectors: Kinds of detectors, one city each.
        cameras: How many cameras.
        fps: Frames per second to infer of each.
        hub: Whether the embedded hub runs and receives the events; without, nobody does.
        signals: Whether every camera asks for all signals of its images.
        rounds: How often each mode is measured.
        window_s: Length of one measurement, seconds.
    """

    package: ModelPackage
    clips: Mapping[str, Path]
    detectors: tuple[str, ...]
    cameras: int = 8
    fps: float = 5.0
    hub: bool = False
    signals: bool = True
    rounds: int = 3
    window_s: float = 8.0


@dataclass(frozen=True, slots=True)
class PipelineProfile:
    """What was measured of one city."""

    detector: str
    windows: Sequence[ProfileWindow]
    lines: Sequence[Sequence[ProfileLine]] = field(repr=False)

    def of(self, mode: ProfileMode) -> list[ProfileWindow]:
        """The windows of a mode."""
        return [window for window in self.windows if window.mode == mode]

    def totals(self, mode: ProfileMode) -> WorkerTotals:
        """What the workers did in all windows of a mode."""
        return totals(self.lines, self.of(mode))

    def rounds(self) -> list[Quantities]:
        """The quantities, round by round."""
        together = zip(*(self.of(mode) for mode in MODES), strict=True)
        return [self._quantities(*windows) for windows in together]

    def _quantities(
        self, off: ProfileWindow, staged: ProfileWindow, sampled: ProfileWindow
    ) -> Quantities:
        unprofiled, clocked, seen = (totals(self.lines, [one]) for one in (off, staged, sampled))
        plain_ms = unprofiled.per_frame_ms(unprofiled.cpu_s)
        replicas_s = off.processes.get(REPLICAS, 0.0) / off.seconds
        per_s = unprofiled.inferred_per_s
        return {
            "pipeline.worker_own_cpu": own_cpu_ms(unprofiled, clocked),
            "pipeline.control_cpu": off.control_share * PERCENT,
            "pipeline.worker_cpu": plain_ms,
            "pipeline.replica_cpu": replicas_s / per_s * PER_MS if per_s else 0.0,
            "pipeline.decode_cpu": clocked.stage_ms(DEMUX, DECODE),
            "pipeline.run_cpu": clocked.run_cpu_s / max(1, clocked.images) * PER_MS,
            "pipeline.run_time": unprofiled.run_s / max(1, unprofiled.batches) * PER_MS,
            "pipeline.queue_time": unprofiled.queue_s / max(1, unprofiled.batches) * PER_MS,
            "pipeline.reader_beside_cpu": clocked.reader_beside_ms,
            "pipeline.conversion_cpu": clocked.stage_ms(CONVERSION),
            "pipeline.tracker_cpu": clocked.stage_ms(TRACKER),
            "pipeline.signals_cpu": clocked.stage_ms(*SIGNALS),
            "pipeline.rules_cpu": clocked.stage_ms(RULES),
            "pipeline.inferred": per_s,
            "pipeline.clocks_cost": clocked.per_frame_ms(clocked.cpu_s) - plain_ms,
            "pipeline.sampler_cost": seen.per_frame_ms(seen.cpu_s) - plain_ms,
        }


def run(benchmark: PipelineBenchmark, say: Say) -> BenchmarkResult:
    """Profiles one city per kind of detector.

    Raises:
        BenchmarkError: A function that is to be timed does not exist, or a city did not start.
    """
    check_hooks()
    start = RunStart()
    profiles = []
    for detector in benchmark.detectors:
        say(f"starting a city with {benchmark.cameras} cameras, detector {detector}")
        profiles.append(_profile(benchmark, detector, say))
    measured = zip(*(one.rounds() for one in profiles), strict=True)
    rounds = Rounds([dict(zip(benchmark.detectors, one, strict=True)) for one in measured])
    settings: dict[str, JsonValue] = {
        "model": str(benchmark.package),
        "clips": list(benchmark.clips),
        "detectors": list(benchmark.detectors),
        "cameras": benchmark.cameras,
        "fps": benchmark.fps,
        "hub": benchmark.hub,
        "signals": benchmark.signals,
        "rounds": benchmark.rounds,
        "window_s": benchmark.window_s,
    }
    labels = {name: f"detector={name}" for name in benchmark.detectors}
    tables = [_summary(rounds)]
    for profile in profiles:
        tables += _tables(profile)
    return start.result(
        "pipeline", settings, metrics_of(rounds, QUANTITIES, labels), tables, _plot(profiles)
    )


def _profile(benchmark: PipelineBenchmark, detector: str, say: Say) -> PipelineProfile:
    spec = ProfiledCitySpec(
        benchmark.package,
        benchmark.clips,
        benchmark.cameras,
        benchmark.fps,
        detector,
        benchmark.hub,
        benchmark.signals,
    )
    with tempfile.TemporaryDirectory(prefix="cityeye-pipeline-") as name:
        with profiled_city(spec, Path(name)) as city:
            windows = []
            for number in range(1, benchmark.rounds + 1):
                windows += [city.measure(mode, benchmark.window_s) for mode in MODES]
                say(f"{detector}: round {number} of {benchmark.rounds}")
            # The last lines of the last window.
            city.measure("off", 0.0)
        return PipelineProfile(detector, windows, city.lines())


def _summary(rounds: Rounds) -> ResultTable:
    """The quantities with their spread over the rounds."""
    targets = {
        "pipeline.worker_own_cpu": f"at most {OWN_TARGET_MS:g}",
        "pipeline.control_cpu": f"at most {CONTROL_TARGET_PERCENT:g} with 8 cameras",
    }
    return ResultTable(
        title="CPU per inferred frame: median (least to greatest) of the rounds. worker_own_cpu is "
        "the worker beside decode and the session's run, control_cpu all control processes",
        columns=("quantity", "unit", *rounds.contestants, "aim"),
        rows=tuple(
            (
                one.name.removeprefix("pipeline."),
                one.unit,
                *(rounds.spread(name, one.name).text() for name in rounds.contestants),
                targets.get(one.name, ""),
            )
            for one in QUANTITIES
        ),
    )


def _tables(profile: PipelineProfile) -> list[ResultTable]:
    staged, sampled = profile.totals("stages"), profile.totals("samples")
    return [
        _process_table(profile),
        _stage_table(profile.detector, staged),
        _function_table(profile.detector, sampled),
        _wait_table(profile.detector, sampled),
    ]


def _process_table(profile: PipelineProfile) -> ResultTable:
    """Processes while nothing is profiled."""
    windows = profile.of("off")
    seconds = sum(one.seconds for one in windows)
    per_s = profile.totals("off").inferred_per_s
    names = {name for window in windows for name in window.processes}
    spent = {name: sum(one.processes.get(name, 0.0) for one in windows) for name in names}
    rows: list[tuple[Cell, ...]] = [
        (
            name,
            round(spent[name] / seconds * PERCENT, 2),
            round(spent[name] / seconds / per_s * PER_MS, 3) if per_s else 0.0,
        )
        for name in sorted(names, key=lambda one: -spent[one])
        if spent[name] / seconds * PERCENT >= LEAST_PERCENT
    ]
    return ResultTable(
        title=f"Processes, {profile.detector}, not profiled",
        columns=("process", "% of a core", "ms per inferred frame"),
        rows=tuple(rows),
    )


def _stage_table(detector: str, staged: WorkerTotals) -> ResultTable:
    """Stages and what the threads do beside them; the CPU column adds up to the workers'."""
    rows: list[tuple[Cell, ...]] = []
    for group in sorted(staged.threads, key=lambda one: -staged.threads[one]):
        if staged.threads[group] / max(staged.seconds, 1e-9) * PERCENT < LEAST_PERCENT:
            continue
        own = {stage: time for (thread, stage), time in staged.stages.items() if thread == group}
        for stage in sorted(own, key=lambda one: -own[one].cpu_s):
            time = own[stage]
            cpu_ms, wall_ms = map(staged.per_frame_ms, (time.cpu_s, time.wall_s))
            calls = round(time.calls / max(1, staged.inferred), 2)
            waits = round(wall_ms - cpu_ms, 3)
            rows.append((group, stage, calls, round(cpu_ms, 3), round(wall_ms, 3), waits))
        rest = round(staged.per_frame_ms(staged.rest_s(group)), 3)
        rows.append((group, "beside the stages" if own else "all", "", rest, "", ""))
    return ResultTable(
        title=f"Worker by thread and stage, {detector}, per inferred frame",
        columns=("threads", "stage", "calls", "CPU ms", "wall ms", "waiting ms"),
        rows=tuple(rows),
    )


def _function_table(detector: str, sampled: WorkerTotals) -> ResultTable:
    """Where threads run, by samples."""
    seconds = max(sampled.seconds, 1e-9)
    return ResultTable(
        title=f"Worker functions with most CPU, {detector}, by {sampled.samples} samples",
        columns=("threads", "innermost of ours", "innermost", "% of a core", "ms per frame"),
        rows=tuple(
            (*place, round(cpu_s / seconds * PERCENT, 2), round(sampled.per_frame_ms(cpu_s), 3))
            for place, cpu_s in sampled.functions()[:FUNCTIONS_SHOWN]
        ),
    )


def _wait_table(detector: str, sampled: WorkerTotals) -> ResultTable:
    """Where threads wait, by samples."""
    most = sorted(sampled.waiting, key=lambda one: -sampled.waiting[one])[:WAITS_SHOWN]
    samples = max(1, sampled.samples)
    return ResultTable(
        title=f"Where worker threads wait, {detector}: threads at once, in the mean",
        columns=("threads", "innermost of ours", "innermost", "threads waiting"),
        rows=tuple((*place, round(sampled.waiting[place] / samples, 3)) for place in most),
    )


def _plot(profiles: Sequence[PipelineProfile]) -> ResultPlot:
    parts = [_parts(profile) for profile in profiles]
    return ResultPlot(
        title="CPU per inferred frame",
        x_label="detector",
        y_label="ms of a core",
        bars=tuple(profile.detector for profile in profiles),
        stacks=tuple(
            PlotStack(name=name, heights=tuple(round(one[name], 4) for one in parts))
            for name in parts[0]
        ),
    )


def _parts(profile: PipelineProfile) -> dict[str, float]:
    """CPU per inferred frame by part, milliseconds: all processes of the city."""
    unprofiled, staged = profile.totals("off"), profile.totals("stages")
    windows = profile.of("off")
    seconds = sum(one.seconds for one in windows)
    per_s = unprofiled.inferred_per_s or 1.0
    replicas_ms = (
        sum(one.processes.get(REPLICAS, 0.0) for one in windows) / seconds / per_s * PER_MS
    )
    parts = {
        "decode": staged.stage_ms(DEMUX, DECODE),
        "session run": staged.stage_ms(RUN),
        "detector replicas": replicas_ms,
        "reader beside decode": staged.reader_beside_ms,
        "conversion": staged.stage_ms(CONVERSION),
        "tracker": staged.stage_ms(TRACKER),
        "signals": staged.stage_ms(*SIGNALS),
        "rules": staged.stage_ms(RULES),
        "evidence, statistics": staged.stage_ms(EVIDENCE, COVERAGE, STATISTICS, FRAME),
    }
    worker_ms = unprofiled.per_frame_ms(unprofiled.cpu_s)
    inside_ms = sum(parts.values()) - replicas_ms
    parts["rest of the worker"] = max(0.0, worker_ms - inside_ms)
    parts["control processes"] = (
        sum(one.control_share * one.seconds for one in windows) / seconds / per_s * PER_MS
    )
    return parts

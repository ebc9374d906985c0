"""What inference costs: images per second, processor time and latency of a session alone.

Every setting of batch, threads, callers, precision and provider is measured in turns, on frames of
a recording. Callers run one session at the same time, as camera workers do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from pydantic import JsonValue

from benchmarks.errors import BenchmarkError
from benchmarks.machine import whole_cores
from benchmarks.result import (
    BenchmarkResult,
    Cell,
    PlotLine,
    Quantity,
    ResultPlot,
    ResultTable,
    RunStart,
    metrics_of,
)
from benchmarks.rounds import Contestant, Quantities, Rounds, interleave
from benchmarks.subject import Say, images_of
from benchmarks.timed import repeat
from camera_adapters import Image
from model_tools.importing import lowered
from models import Detector, ModelPackage, Precision, Provider, SessionError, has_cuda
from serving import model_ref

CALIBRATION_IMAGES: Final = 32
CHEAPER: Final[Mapping[Provider, Precision]] = {"cpu": "int8", "cuda": "fp16"}
"""What fewer bits a provider is fast in."""

QUANTITIES: Final = (
    Quantity("images_per_s", "images/s", "higher"),
    Quantity("cpu_ms", "ms", "lower"),
    Quantity("p50_ms", "ms", "lower"),
    Quantity("p95_ms", "ms", "lower"),
)
COLUMNS: Final = (
    "provider", "precision", "threads", "callers", "batch", "images/s", "least", "most",
    "CPU ms per image", "latency p50 ms", "p95 ms",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DetectBenchmark:
    """What to measure. Where a tuple is empty, what fits the machine is measured.

    Attributes:
        packages: The packages, each in a precision of its own.
        clip: A recording to take images from.
        precisions: Precisions to measure; those that no package has are made from the fp32 one.
        providers: `cpu`, `cuda`.
        batches: Images per run.
        threads: Threads inside a run on a CPU.
        callers: How many runs of a session go on at once.
        rounds: How often each setting is measured, in turns.
        round_s: Length of one measurement in seconds.
    """

    packages: Sequence[ModelPackage]
    clip: Path
    precisions: tuple[Precision, ...] = ()
    providers: tuple[Provider, ...] = ()
    batches: tuple[int, ...] = (1, 4, 8, 16)
    threads: tuple[int, ...] = ()
    callers: tuple[int, ...] = ()
    rounds: int = 5
    round_s: float = 0.5


@dataclass(frozen=True, slots=True)
class RunSetting:
    """How a session is run."""

    provider: Provider
    precision: Precision
    threads: int
    callers: int
    batch: int

    @property
    def label(self) -> str:
        """What stands in a metric's name."""
        return f"{self.session_label},batch={self.batch}"

    @property
    def session_label(self) -> str:
        """The same without the batch."""
        return (
            f"provider={self.provider},precision={self.precision},"
            f"threads={self.threads},callers={self.callers}"
        )


def run(benchmark: DetectBenchmark, say: Say) -> BenchmarkResult:
    """Measures every setting that the machine can run.

    Raises:
        BenchmarkError: A wanted provider or precision cannot be had.
        ModelError: A package cannot be loaded.
        CameraFault: The recording cannot be decoded.
    """
    start = RunStart()
    view = model_ref(benchmark.packages[0]).view
    count = max(*benchmark.batches, CALIBRATION_IMAGES)
    images = images_of(benchmark.clip, view, count)
    with TemporaryDirectory(prefix="cityeye-detect-") as folder:
        providers = benchmark.providers or _working_providers(benchmark.packages[0], say)
        wanted = benchmark.precisions or _precisions(benchmark.packages, providers)
        packages = _in_precisions(benchmark.packages, wanted, images, Path(folder), say)
        settings = list(_settings(benchmark, providers, tuple(packages)))
        contestants = _contestants(settings, packages, images, benchmark.round_s)
    say(f"{len(settings)} settings, {benchmark.rounds} rounds of {benchmark.round_s:g} s each")
    by_label = {setting.label: setting for setting in settings}
    rounds = interleave(
        contestants, benchmark.rounds, lambda number, _: say(f"round {number} is complete")
    )
    package = benchmark.packages[0]
    size = f"{view.size.width}x{view.size.height}"
    title = f"Inference of {package} at {size}, one session"
    table = ResultTable(
        title=title,
        columns=COLUMNS,
        rows=tuple(_row(rounds, setting) for setting in settings),
    )
    plot = ResultPlot(
        title=title, x_label="batch", y_label="images/s", lines=_lines(rounds, settings)
    )
    metrics = metrics_of(rounds, QUANTITIES, {label: label for label in by_label})
    noted: dict[str, JsonValue] = {
        "model": str(package),
        "sha256": {name: one.manifest.sha256 for name, one in packages.items()},
        "clip": benchmark.clip.name,
        "input": size,
        "rounds": benchmark.rounds,
        "round_s": benchmark.round_s,
    }
    return start.result("detect", noted, metrics, [table], plot)


def _working_providers(package: ModelPackage, say: Say) -> tuple[Provider, ...]:
    """The CPU, and the GPU where a session really opens on it."""
    if not has_cuda():
        return ("cpu",)
    try:
        Detector(package, provider="cuda")
    except SessionError as error:
        say(f"the GPU is left out: {error}")
        return ("cpu",)
    return ("cpu", "cuda")


def _precisions(
    packages: Sequence[ModelPackage], providers: Sequence[Provider]
) -> tuple[Precision, ...]:
    """Those of the packages; with one fp32 package also what the providers are faster in."""
    own = [package.manifest.precision for package in packages]
    if own == ["fp32"]:
        own += [CHEAPER[provider] for provider in providers]
    return tuple(dict.fromkeys(own))


def _in_precisions(
    packages: Sequence[ModelPackage],
    wanted: Sequence[Precision],
    calibration: Image,
    folder: Path,
    say: Say,
) -> dict[Precision, ModelPackage]:
    given = {package.manifest.precision: package for package in packages}
    if len(given) < len(packages):
        raise BenchmarkError("two packages have the same precision; give one for each precision")
    found: dict[Precision, ModelPackage] = {}
    for precision in wanted:
        if precision not in given:
            if precision == "fp32" or "fp32" not in given:
                raise BenchmarkError(
                    f"{precision} cannot be made from {packages[0]}, which is "
                    f"{packages[0].manifest.precision}; give an fp32 package, or one in {precision}"
                )
            say(f"converting {given['fp32']} to {precision}")
            found[precision] = lowered(given["fp32"], precision, calibration, folder)
        else:
            found[precision] = given[precision]
    return found


def _settings(
    benchmark: DetectBenchmark, providers: Sequence[Provider], precisions: Sequence[Precision]
) -> Iterator[RunSetting]:
    cores = whole_cores()
    for provider, precision in product(providers, precisions):
        on_cpu = provider == "cpu"
        # Threads are the CPU provider's; on a GPU they only start kernels.
        threads = (benchmark.threads or tuple(sorted({1, cores}))) if on_cpu else (1,)
        callers = benchmark.callers or (tuple(sorted({1, cores})) if on_cpu else (1, 2, 4))
        for count, at_once, batch in product(threads, callers, benchmark.batches):
            chosen = benchmark.threads and benchmark.callers
            # More threads than cores wait for each other.
            if chosen or not on_cpu or count * at_once <= cores:
                yield RunSetting(provider, precision, count, at_once, batch)


def _contestants(
    settings: Sequence[RunSetting],
    packages: Mapping[Precision, ModelPackage],
    images: Image,
    seconds: float,
) -> dict[str, Contestant]:
    """A warm contestant per setting; settings that differ in batch and callers share a session."""
    sessions: dict[tuple[Provider, Precision, int], Detector] = {}
    contestants: dict[str, Contestant] = {}
    for one in settings:
        key = (one.provider, one.precision, one.threads)
        if key not in sessions:
            package = packages[one.precision]
            sessions[key] = Detector(package, threads=one.threads, provider=one.provider)
        contestant = partial(_measure, sessions[key], images[: one.batch], one.callers)
        contestant(0.0)
        contestants[one.label] = partial(contestant, seconds)
    return contestants


def _measure(detector: Detector, batch: Image, callers: int, seconds: float) -> Quantities:
    timed = repeat(lambda: len(detector.run(batch)), seconds, callers)
    return {
        "images_per_s": timed.per_s,
        "cpu_ms": timed.cpu_ms,
        "p50_ms": timed.latency_ms(50),
        "p95_ms": timed.latency_ms(95),
    }


def _row(rounds: Rounds, one: RunSetting) -> tuple[Cell, ...]:
    speed = rounds.spread(one.label, "images_per_s")
    others = [rounds.spread(one.label, name).median for name in ("cpu_ms", "p50_ms", "p95_ms")]
    how = (one.provider, one.precision, one.threads, one.callers, one.batch)
    return (*how, speed.median, speed.least, speed.most, *others)


def _lines(rounds: Rounds, settings: Sequence[RunSetting]) -> tuple[PlotLine, ...]:
    lines: dict[str, dict[float, Sequence[float]]] = {}
    for one in settings:
        points = lines.setdefault(one.session_label.replace(",", ", "), {})
        points[float(one.batch)] = rounds.samples(one.label, "images_per_s")
    return tuple(PlotLine.of(name, points) for name, points in lines.items())

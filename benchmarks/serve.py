"""What Ray Serve costs: worker → handle → session against the bare session, in turns in one run.

Both have the same model, batch and threads. The serving path is the production one: the very
client, one copy into the object store per batch, several callers where batches overlap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Final

from pydantic import JsonValue

from benchmarks.result import (
    BenchmarkResult,
    Cell,
    Metric,
    PlotLine,
    Quantity,
    ResultPlot,
    ResultTable,
    RunStart,
    metrics_of,
)
from benchmarks.rounds import Contestant, Quantities, Rounds, Spread, interleave
from benchmarks.serve_path import CALLER, OTHERS, RAYLET, REPLICA, ServePath, serve_path
from benchmarks.subject import Say
from benchmarks.timed import repeat
from camera_adapters import Image
from models import Detector, ModelPackage

SPEED: Final = (
    Quantity("images_per_s", "images/s", "higher"),
    Quantity("p50_ms", "ms", "lower"),
    Quantity("p95_ms", "ms", "lower"),
    Quantity("cpu_ms", "ms", "lower"),
    Quantity("run_ms", "ms", "lower"),
)
TRANSPORT: Final = (
    Quantity("queue_ms", "ms", "lower"),
    Quantity("replica_busy", "share", "higher"),
    Quantity("caller_cpu_ms", "ms", "lower"),
    Quantity("replica_cpu_ms", "ms", "lower"),
    Quantity("raylet_cpu_ms", "ms", "lower"),
    Quantity("others_cpu_ms", "ms", "lower"),
)
SPEED_COLUMNS: Final = (
    "batch", "callers", "bare images/s", "Serve images/s", "bare p50 ms", "Serve p50 ms",
    "Serve p95 ms", "ratio",
)  # fmt: skip
COST_COLUMNS: Final = (
    "batch", "callers", "bare run ms", "run ms", "replica busy", "queue ms per call",
    "caller CPU ms", "replica CPU ms", "raylet CPU ms", "other Ray CPU ms",
)  # fmt: skip
ROLES: Final = (CALLER, REPLICA, RAYLET, OTHERS)
WARM_UP_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class ServeBenchmark:
    """What to compare.

    Attributes:
        package: The model.
        images: (N, H, W, 3) uint8 RGB of its input size, as many as the largest batch.
        batches: Images per batch; 1 with one caller is a camera that sends frame by frame.
        callers: Threads that wait for results at the same time.
        threads: ONNX Runtime threads on both sides.
        rounds: How often each side is measured, in turns.
        round_s: Length of one measurement in seconds.
        api_port: Port for the cluster's HTTP proxy.
    """

    package: ModelPackage
    images: Image
    batches: tuple[int, ...] = (1, 8, 16)
    callers: tuple[int, ...] = (1, 2)
    threads: int = 1
    rounds: int = 5
    round_s: float = 2.0
    api_port: int = 8599


def run(benchmark: ServeBenchmark, say: Say) -> BenchmarkResult:
    """Measures every batch bare and through Ray Serve.

    Raises:
        ModelError: The package cannot be loaded.
        ServingError: It cannot be served.
        ClusterError: Ray does not start.
    """
    start = RunStart()
    bare = Detector(benchmark.package, threads=benchmark.threads, provider="auto")
    say("starting Ray Serve")
    with serve_path(benchmark.package, benchmark.threads, benchmark.api_port) as path:
        contestants = _contestants(benchmark, bare, path)
        rounds = interleave(
            contestants, benchmark.rounds, lambda number, _: say(f"round {number} is complete")
        )
    pairs = list(product(benchmark.batches, benchmark.callers))
    served = [_served(batch, callers) for batch, callers in pairs]
    metrics = [
        *metrics_of(rounds, SPEED, {one: one for one in contestants}),
        *metrics_of(rounds, TRANSPORT, {one: one for one in served}),
        *(_ratio(rounds, batch, callers) for batch, callers in pairs),
    ]
    speed = ResultTable(
        title=f"{benchmark.package}, {benchmark.threads} threads per run: Ray Serve over bare",
        columns=SPEED_COLUMNS,
        rows=tuple(_speed_row(rounds, *pair) for pair in pairs),
    )
    cost = ResultTable(
        title="Where the time goes, per image",
        columns=COST_COLUMNS,
        rows=tuple(_cost_row(rounds, *pair) for pair in pairs),
    )
    plot = ResultPlot(
        title=speed.title, x_label="batch", y_label="images/s", lines=_lines(rounds, benchmark)
    )
    return start.result("serve", _settings(benchmark, bare), metrics, [speed, cost], plot)


def _bare(batch: int) -> str:
    return f"path=bare,batch={batch}"


def _served(batch: int, callers: int) -> str:
    return f"path=serve,batch={batch},callers={callers}"


def _contestants(
    benchmark: ServeBenchmark, bare: Detector, path: ServePath
) -> dict[str, Contestant]:
    """Warm contestants: for every batch the bare session, then the serving path by callers."""
    measures: dict[str, Callable[[float], Quantities]] = {}
    for batch in benchmark.batches:
        images = benchmark.images[:batch]
        measures[_bare(batch)] = partial(_run_bare, bare, images)
        for callers in benchmark.callers:
            measures[_served(batch, callers)] = partial(path.measure, images, callers)
    for measure in measures.values():
        measure(min(WARM_UP_S, benchmark.round_s))
    return {name: partial(measure, benchmark.round_s) for name, measure in measures.items()}


def _run_bare(detector: Detector, images: Image, seconds: float) -> Quantities:
    """The session alone, with the detections made as a camera worker makes them."""
    timed = repeat(lambda: len(detector.detect(images)), seconds)
    return {
        "images_per_s": timed.per_s,
        "p50_ms": timed.latency_ms(50),
        "p95_ms": timed.latency_ms(95),
        "cpu_ms": timed.cpu_ms,
        "run_ms": 1000 / timed.per_s,
    }


def _ratio(rounds: Rounds, batch: int, callers: int) -> Metric:
    return Metric(
        name=f"ratio[batch={batch},callers={callers}]",
        unit="",
        better="higher",
        samples=rounds.ratios(_served(batch, callers), _bare(batch), "images_per_s"),
    )


def _speed_row(rounds: Rounds, batch: int, callers: int) -> tuple[Cell, ...]:
    bare, served = _bare(batch), _served(batch, callers)
    ratios = Spread.of(rounds.ratios(served, bare, "images_per_s"))
    cells = [
        rounds.spread(name, quantity).median
        for quantity in ("images_per_s", "p50_ms")
        for name in (bare, served)
    ]
    return (batch, callers, *cells, rounds.spread(served, "p95_ms").median, ratios.text(3))


def _cost_row(rounds: Rounds, batch: int, callers: int) -> tuple[Cell, ...]:
    bare, served = _bare(batch), _served(batch, callers)
    names = ("run_ms", "replica_busy", "queue_ms", *(f"{one}_cpu_ms" for one in ROLES))
    cells = [rounds.spread(served, name).median for name in names]
    return (batch, callers, rounds.spread(bare, "run_ms").median, *cells)


def _lines(rounds: Rounds, benchmark: ServeBenchmark) -> tuple[PlotLine, ...]:
    def line(title: str, name: Callable[[int], str]) -> PlotLine:
        points = {
            float(one): rounds.samples(name(one), "images_per_s") for one in benchmark.batches
        }
        return PlotLine.of(title, points)

    served = (
        line(f"Ray Serve, {callers} callers", partial(_served, callers=callers))
        for callers in benchmark.callers
    )
    return (line("bare session", _bare), *served)


def _settings(benchmark: ServeBenchmark, bare: Detector) -> dict[str, JsonValue]:
    return {
        "model": str(benchmark.package),
        "sha256": benchmark.package.manifest.sha256,
        "provider": bare.provider,
        "threads": benchmark.threads,
        "batches": list(benchmark.batches),
        "callers": list(benchmark.callers),
        "rounds": benchmark.rounds,
        "round_s": benchmark.round_s,
    }

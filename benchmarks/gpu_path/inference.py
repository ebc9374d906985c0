"""Inference on a GPU: our path from host memory to rows against the bare session, in turns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from benchmarks.result import Cell, Metric, Quantity, ResultTable, metrics_of
from benchmarks.rounds import Contestant, Quantities, Spread, interleave
from benchmarks.subject import Say
from benchmarks.timed import repeat
from camera_adapters import Image
from models import Detector, GpuGraph, ModelPackage, Precision, Provider

PACKAGE: Final = "package's graph"
"""A bare session with the graph as the package has it, images on the device already."""

PREPARED: Final = "prepared graph"
"""A bare session with the graph as a GPU gets it, replayed as one CUDA graph, images there."""

DETECTOR: Final = "detector"
"""Our path: images from this computer's memory, rows back into it."""

QUANTITIES: Final = (
    Quantity("images_per_s", "images/s", "higher"),
    Quantity("cpu_ms", "ms", "lower"),
    Quantity("p50_ms", "ms", "lower"),
)
COLUMNS: Final = (
    "precision", "batch", f"{PACKAGE}, images/s", f"{PREPARED}, images/s", "detector, images/s",
    "detector over prepared", "detector over package's", "CPU ms per image", "latency p50 ms",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class InferenceBenchmark:
    """What to measure.

    Attributes:
        packages: The same model in each precision.
        images: Images to infer, as many as the largest batch.
        batches: Batch sizes.
        provider: Where.
        rounds: How often each contestant is measured, in turns.
        round_s: Length of one measurement in seconds.
    """

    packages: Mapping[Precision, ModelPackage]
    images: Image
    batches: tuple[int, ...]
    provider: Provider
    rounds: int
    round_s: float


@dataclass(frozen=True, slots=True)
class PartResult:
    """What a part of the benchmark found."""

    metrics: list[Metric]
    table: ResultTable


def measure(benchmark: InferenceBenchmark, say: Say) -> PartResult:
    """Measures all precisions and batch sizes.

    Raises:
        SessionError: A model does not run there.
    """
    metrics: list[Metric] = []
    rows: list[tuple[Cell, ...]] = []
    for precision, package in benchmark.packages.items():
        say(f"inference in {precision}: loading")
        detector = Detector(package, provider=benchmark.provider)
        for batch in benchmark.batches:
            contestants = _contestants(benchmark, package, detector, batch)
            rounds = interleave(contestants, benchmark.rounds)
            where = f"precision={precision},batch={batch}"
            labels = {name: f"path={name},{where}" for name in contestants}
            metrics += metrics_of(rounds, QUANTITIES, labels)
            ratios = rounds.ratios(DETECTOR, PREPARED, "images_per_s")
            metrics.append(
                Metric(name=f"detect.ratio[{where}]", unit="", better="higher", samples=ratios)
            )
            speeds = [rounds.spread(name, "images_per_s").median for name in contestants]
            own = [rounds.spread(DETECTOR, name).median for name in ("cpu_ms", "p50_ms")]
            gain = Spread.of(rounds.ratios(DETECTOR, PACKAGE, "images_per_s"))
            rows.append((precision, batch, *speeds, Spread.of(ratios).text(), gain.text(), *own))
            say(f"inference in {precision}, batches of {batch}: {speeds[2]:.0f} images/s")
    table = ResultTable(title="Inference", columns=COLUMNS, rows=tuple(rows))
    return PartResult(metrics, table)


def _contestants(
    benchmark: InferenceBenchmark, package: ModelPackage, detector: Detector, batch: int
) -> dict[str, Contestant]:
    content = package.onnx_path.read_bytes()
    device, seconds = benchmark.provider, benchmark.round_s
    prepared = GpuGraph.of(package, content)
    plain = GpuGraph(package, content, prepared.free)
    captured = device == "cuda"
    images = benchmark.images[:batch]

    def through_detector() -> int:
        return len(detector.run(images))

    def bare(graph: GpuGraph, *, replayed: bool) -> Contestant:
        session = graph.open(batch, captured=replayed, device=device)

        def infer() -> int:
            session.infer()
            return batch

        return partial(_measure, infer, seconds, 1)

    return {
        PACKAGE: bare(plain, replayed=False),
        PREPARED: bare(prepared, replayed=captured),
        DETECTOR: partial(_measure, through_detector, seconds, detector.in_flight),
    }


def _measure(call: Callable[[], int], seconds: float, callers: int) -> Quantities:
    timed = repeat(call, seconds, callers)
    return {
        "images_per_s": timed.per_s,
        "cpu_ms": timed.cpu_ms,
        "p50_ms": timed.latency_ms(50),
    }

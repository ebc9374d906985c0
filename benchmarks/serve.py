"""What Ray Serve costs: images per second of worker → handle → session over the bare session.

Both run in the same minute on the same machine with the same model, batch and threads, in turns,
so that a noisy neighbour hits both. The serve path is the production one: the very client, two
micro-batches in flight, one copy into the object store per batch.
"""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ray
from rich.console import Console

import models
from models import Detector, ModelRepository, runtime_version
from pipelines import (
    RESULT_TIMEOUT_S,
    DetectorPort,
    InFlightBatch,
    MicroBatch,
    ModelRef,
)
from serving import ClusterSettings, RayServeDetectors, cluster, model_ref, served_model

IN_FLIGHT = 2


@dataclass(frozen=True, slots=True)
class ServeBenchmark:
    """What to compare.

    Attributes:
        repository: Folder of model packages.
        model: Package name.
        threads: ONNX Runtime threads on both sides.
        batch: Images per micro-batch.
        rounds: How often each side is measured, in turns.
        round_s: Length of one measurement in seconds.
        api_port: Port for the cluster's HTTP proxy.
    """

    repository: Path = Path(models.__file__).parent / "builtin"
    model: str = "traffic"
    threads: int = 1
    batch: int = 16
    rounds: int = 11
    round_s: float = 3.0
    api_port: int = 8599


def run(benchmark: ServeBenchmark, on_step: Callable[[str], None]) -> dict[str, Any]:
    """Measures and returns the report, ready for JSON.

    The key `ratio` is the median over rounds of serve path / bare session, and `ratio_range` its
    least and greatest value.
    """
    package = ModelRepository(benchmark.repository).find(benchmark.model)
    ref = model_ref(package)
    batch = _batch(ref, benchmark.batch)
    bare = Detector(package, threads=benchmark.threads, provider="auto")
    settings = ClusterSettings(api_port=benchmark.api_port)
    on_step("starting Ray Serve")
    with cluster(settings):
        service = RayServeDetectors()
        service.deploy([served_model(package, threads=benchmark.threads)])
        port = service.port({})
        _serve_loop(port, batch, 1.0)
        rounds = []
        for number in range(benchmark.rounds):
            bare_fps = _bare_loop(bare, batch, benchmark.round_s)
            serve_fps = _serve_loop(port, batch, benchmark.round_s)
            rounds.append({"bare_fps": bare_fps, "serve_fps": serve_fps})
            on_step(
                f"round {number + 1} of {benchmark.rounds}: bare {bare_fps:.1f} images/s, "
                f"serve {serve_fps:.1f} images/s, ratio {serve_fps / bare_fps:.3f}"
            )
    return _report(benchmark, package.version, bare.provider, rounds)


def main(json_path: Path | None, benchmark: ServeBenchmark | None = None) -> int:
    """Runs the benchmark, says how it goes, writes the report; returns the exit status."""
    console = Console(stderr=True)
    report = run(benchmark or ServeBenchmark(), lambda text: console.print(text, highlight=False))
    if json_path is not None:
        json_path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    low, high = report["ratio_range"]
    console.print(
        f"the Serve path reaches {report['ratio']:.3f} of the bare session "
        f"({low:.3f} to {high:.3f} over the rounds)"
    )
    return 0


def _bare_loop(detector: Detector, batch: MicroBatch, seconds: float) -> float:
    """Images per second of the session alone."""
    images, started_s = 0, time.monotonic()
    while time.monotonic() - started_s < seconds:
        images += len(detector.detect(batch.images))
    return images / (time.monotonic() - started_s)


def _serve_loop(port: DetectorPort, batch: MicroBatch, seconds: float) -> float:
    """Images per second through the detector port, as a camera worker drives it."""
    in_flight: deque[InFlightBatch] = deque()
    images, started_s = 0, time.monotonic()
    while time.monotonic() - started_s < seconds:
        while len(in_flight) < IN_FLIGHT:
            in_flight.append(port.submit(batch))
        images += _count(in_flight.popleft())
    # What is under way has cost time already: it counts, with the time that it still takes.
    while in_flight:
        images += _count(in_flight.popleft())
    return images / (time.monotonic() - started_s)


def _count(pending: InFlightBatch) -> int:
    return sum(len(found) for found in pending.result(RESULT_TIMEOUT_S).found.values())


def _batch(model: ModelRef, count: int) -> MicroBatch:
    shape = (count, model.size.height, model.size.width, 3)
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    return MicroBatch(images, (), (), {model: tuple(range(count))})


def _report(
    benchmark: ServeBenchmark, version: str, provider: str, rounds: Sequence[dict[str, float]]
) -> dict[str, Any]:
    ratios = [entry["serve_fps"] / entry["bare_fps"] for entry in rounds]
    return {
        "ratio": round(statistics.median(ratios), 4),
        "ratio_range": [round(min(ratios), 4), round(max(ratios), 4)],
        "bare_fps": round(statistics.median(entry["bare_fps"] for entry in rounds), 2),
        "serve_fps": round(statistics.median(entry["serve_fps"] for entry in rounds), 2),
        "rounds": rounds,
        "settings": {**asdict(benchmark), "repository": str(benchmark.repository)},
        "model_version": version,
        "provider": provider,
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "python": platform.python_version(),
            "onnxruntime": runtime_version(),
            "ray": ray.__version__,
        },
    }

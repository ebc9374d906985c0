"""Loading and measuring: each batch size that will be served is warmed, checked and timed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from model_tools.admission.outputs import Trial
from model_tools.sandbox.child import Announce
from models import Detector, GoldenSet, GraphError, ModelPackage, disagreement
from models.admission import BatchLatency
from models.detections import Rows

MOST_RUNS = 7
FEWEST_RUNS = 2
ENOUGH_S = 1.5
"""After so many seconds, and the fewest runs, a batch size is measured well enough."""

MEGABYTES_PER_S = 20.0
GPU_START_S = 180.0
"""A GPU tries out kernels for every batch size while the model is loaded."""


def loading_patience(content: bytes, order: Mapping[str, Any]) -> float:
    """Wall-clock seconds that loading may take."""
    patience = float(order["step_s"]) + len(content) / 1024**2 / MEGABYTES_PER_S
    return patience + (GPU_START_S if order["gpu"] else 0.0)


def loaded(
    package: ModelPackage, content: bytes, order: Mapping[str, Any], findings: dict[str, Any]
) -> tuple[Trial, str]:
    """Opens the session from bytes and runs it once; sets load time, provider and placement."""
    started = time.monotonic()
    detector = Detector(
        package, threads=order["threads"], provider=order["provider"], graph=content
    )
    findings["load_s"] = round(time.monotonic() - started, 3)
    findings["provider"] = detector.provider
    findings["placement"] = {
        name: sum(operators.values()) for name, operators in detector.placement().items()
    }
    trial = Trial(package, detector, patience_s=float(order["step_s"]))
    return trial, f"on {detector.provider} in {findings['load_s']:.2f} s"


def batches(
    trial: Trial, golden: GoldenSet, alone: Rows, announce: Announce
) -> tuple[dict[str, Any], str]:
    """Warms, checks and times every batch size; an image gives in each what it gives alone."""
    measured = []
    for size in trial.detector.buckets():
        announce(f"measuring batches of {size}", trial.patience(size * (MOST_RUNS + 1)))
        measured.append(_measured(trial, golden, alone, size))
    best = max(one.images / one.median_ms for one in measured) * 1000
    findings = {
        "latency": [one.model_dump() for one in measured],
        "max_batch": trial.package.manifest.input.max_batch,
        "images_per_s": round(best, 1),
    }
    sizes = ", ".join(str(one.images) for one in measured)
    return findings, f"{best:.1f} images per second at best, batches of {sizes}"


def _measured(trial: Trial, golden: GoldenSet, alone: Rows, size: int) -> BatchLatency:
    chosen = np.arange(size) % len(golden)
    images = np.ascontiguousarray(golden.images[chosen])
    problem = disagreement(trial.detector.run(images), alone[chosen], trial.steady)
    if problem:
        raise GraphError("", f"answers differently in a batch of {size} than alone: {problem}")
    times = _times(trial.detector, images)
    return BatchLatency(
        images=size,
        runs=len(times),
        median_ms=round(float(np.median(times)) * 1000, 3),
        p95_ms=round(float(np.percentile(times, 95)) * 1000, 3),
    )


def _times(detector: Detector, images: npt.NDArray[np.uint8]) -> list[float]:
    """Seconds of each of several runs."""
    times: list[float] = []
    while len(times) < FEWEST_RUNS or (len(times) < MOST_RUNS and sum(times) < ENOUGH_S):
        started = time.perf_counter()
        detector.run(images)
        times.append(time.perf_counter() - started)
    return times

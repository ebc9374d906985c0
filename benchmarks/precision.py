"""What fewer bits cost and gain: int8 and fp16 of a built-in model against its fp32, in one run.

Accuracy is measured on drawn images of seeds that neither training nor calibration saw, of the
places that the package is made for. Throughput is measured alternately, so that a noisy neighbour
hits all of them, and given as a ratio with its spread.
"""

from __future__ import annotations

import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from rich.console import Console

import models
from model_tools.evaluation import CocoMetrics, GroundTruth, coco_metrics, mean_metrics
from model_tools.importing import ImageBatch
from model_tools.precision import fidelity, to_fp16, to_int8
from models import (
    MANIFEST_FILE,
    Detector,
    ModelPackage,
    ModelRepository,
    Precision,
    runtime_version,
    sha256_of,
)
from models.detections import Detections
from models.graph import opset_of
from simulation.scenes import (
    EVALUATION_SEEDS,
    LABELS,
    SEEDS_PER_VIEW,
    place_of,
    render_samples,
)
from simulation.training import recipe_named

CALIBRATION_BLOCK = 10_000
"""First of the blocks of evaluation seeds that calibrate; those for accuracy come before it."""
ACCURACY_BLOCK = 0
CHEAPER: tuple[Precision, ...] = ("int8", "fp16")


@dataclass(frozen=True, slots=True)
class PrecisionBenchmark:
    """What to compare.

    Attributes:
        repository: Folder of model packages.
        model: Package name.
        images: Images to measure accuracy on.
        calibration: Images to choose int8 ranges by.
        batches: Images per run.
        rounds: How often each is measured, alternately.
        round_s: Length of one measurement in seconds.
    """

    repository: Path = Path(models.__file__).parent / "builtin"
    model: str = "traffic"
    images: int = 96
    calibration: int = 64
    batches: tuple[int, ...] = (1, 8)
    rounds: int = 9
    round_s: float = 1.0


def run(benchmark: PrecisionBenchmark, on_step: Callable[[str], None]) -> dict[str, Any]:
    """Measures and returns the report, ready for JSON."""
    package = ModelRepository(benchmark.repository).find(benchmark.model)
    places = recipe_named(benchmark.model).speciality.places
    on_step("drawing images")
    samples = list(render_samples(seeds_of(places, ACCURACY_BLOCK, benchmark.images)))
    calibrating = render_samples(seeds_of(places, CALIBRATION_BLOCK, benchmark.calibration))
    calibration = np.stack([one.image for one in calibrating])
    images = np.stack([one.image for one in samples])
    real = [
        GroundTruth.of(one.boxes, one.class_ids, one.ignore).among(package.labels, LABELS)
        for one in samples
    ]
    with tempfile.TemporaryDirectory(prefix="cityeye-precision-") as folder:
        detectors = {"fp32": Detector(package, provider="auto")}
        for precision in CHEAPER:
            on_step(f"converting to {precision}")
            cheap = _converted(package, precision, calibration, Path(folder))
            detectors[precision] = Detector(cheap, provider="auto")
        rows = {}
        for name, detector in detectors.items():
            on_step(f"inference on {len(images)} images with {name}")
            rows[name] = detector.run(images)
        accuracy = {name: _accuracy(package, found, real) for name, found in rows.items()}
        speeds = {
            batch: _speeds(detectors, images[:batch], benchmark, on_step)
            for batch in benchmark.batches
        }
        provider = detectors["fp32"].provider
    threshold = package.manifest.thresholds.default
    return {
        "model": str(package),
        "sha256": package.manifest.sha256,
        "provider": provider,
        "accuracy": {name: asdict(one) for name, one in accuracy.items()},
        "ap50_change": {one: accuracy[one].ap50 - accuracy["fp32"].ap50 for one in CHEAPER},
        "ap_change": {one: accuracy[one].ap - accuracy["fp32"].ap for one in CHEAPER},
        "fidelity": {
            one: fidelity(rows["fp32"], rows[one], threshold).as_measured() for one in CHEAPER
        },
        "speed": {str(batch): _ratios(speed) for batch, speed in speeds.items()},
        "settings": {**asdict(benchmark), "repository": str(benchmark.repository)},
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "python": platform.python_version(),
            "onnxruntime": runtime_version(),
        },
    }


def main(json_path: Path | None, benchmark: PrecisionBenchmark | None = None) -> int:
    """Runs the benchmark, says how it goes, writes the report; returns the exit status."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    report = run(benchmark or PrecisionBenchmark(), console.print)
    if json_path is not None:
        json_path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    fp32 = report["accuracy"]["fp32"]
    console.print(f"{report['model']} on {report['provider']}")
    console.print(f"  fp32: AP50 {fp32['ap50']:.4f}, AP {fp32['ap']:.4f}")
    for one in CHEAPER:
        ap50, ap = report["ap50_change"][one], report["ap_change"][one]
        console.print(f"  {one}: AP50 {ap50:+.4f}, AP {ap:+.4f}")
        for batch, ratios in report["speed"].items():
            low, high = ratios[one]["range"]
            console.print(
                f"    {ratios[one]['ratio']:.2f} times the images per second in batches of "
                f"{batch} ({low:.2f} to {high:.2f} over the rounds)"
            )
    return 0


def seeds_of(places: Sequence[str], first_block: int, count: int) -> list[int]:
    """Evaluation seeds that show some places, block after block."""
    starts = EVALUATION_SEEDS[first_block * SEEDS_PER_VIEW :: SEEDS_PER_VIEW]
    blocks = (start for start in starts if place_of(start) in places)
    needed = islice(blocks, -(-count // SEEDS_PER_VIEW))
    return [seed for start in needed for seed in range(start, start + SEEDS_PER_VIEW)][:count]


def _converted(
    package: ModelPackage, precision: Precision, calibration: ImageBatch, folder: Path
) -> ModelPackage:
    """The package in another precision, in a folder of its own."""
    model = onnx.load(package.onnx_path)
    cheap = to_fp16(model) if precision == "fp16" else to_int8(model, calibration)
    directory = folder / precision / package.name / package.version
    directory.mkdir(parents=True)
    for file in package.directory.iterdir():
        if file.is_file():
            (directory / file.name).write_bytes(file.read_bytes())
    onnx.save(cheap, directory / package.onnx_path.name)
    manifest = package.manifest.model_copy(
        update={
            "precision": precision,
            "opset": opset_of(cheap),
            "sha256": sha256_of(directory / package.onnx_path.name),
        }
    )
    (directory / MANIFEST_FILE).write_text(manifest.model_dump_json(), encoding="utf-8")
    return ModelPackage.load(directory)


def _accuracy(
    package: ModelPackage, rows: npt.NDArray[np.float32], real: Sequence[GroundTruth]
) -> CocoMetrics:
    found = [Detections.from_rows(one) for one in rows]
    threshold = package.manifest.thresholds.default
    return mean_metrics(coco_metrics(found, real, package.labels, threshold))


def _speeds(
    detectors: dict[str, Detector],
    batch: ImageBatch,
    benchmark: PrecisionBenchmark,
    on_step: Callable[[str], None],
) -> list[dict[str, float]]:
    """Images per second of every precision, round by round."""
    rounds = []
    for number in range(benchmark.rounds):
        speed = {one: _speed(detectors[one], batch, benchmark.round_s) for one in detectors}
        shown = ", ".join(f"{one} {value:.1f}" for one, value in speed.items())
        on_step(f"batches of {len(batch)}, round {number + 1} of {benchmark.rounds}: {shown}")
        rounds.append(speed)
    return rounds


def _speed(detector: Detector, batch: ImageBatch, seconds: float) -> float:
    detector.run(batch)
    images, started_s = 0, time.monotonic()
    while time.monotonic() - started_s < seconds:
        images += len(detector.run(batch))
    return images / (time.monotonic() - started_s)


def _ratios(rounds: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Each precision over fp32: median and range of the rounds' ratios."""
    report: dict[str, Any] = {
        "fp32_images_per_s": round(statistics.median(one["fp32"] for one in rounds), 2)
    }
    for cheap in CHEAPER:
        ratios = [one[cheap] / one["fp32"] for one in rounds]
        report[cheap] = {
            "ratio": round(statistics.median(ratios), 4),
            "range": [round(min(ratios), 4), round(max(ratios), 4)],
        }
    return report

"""What fewer bits cost and gain: int8 and fp16 of a built-in model against its fp32, in one run.

Accuracy is measured on drawn images of seeds that neither training nor calibration saw, of the
places that the package is made for. Throughput is measured alternately, so that a noisy neighbour
hits all of them, and given as a ratio with its spread.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import JsonValue

from benchmarks.result import (
    BenchmarkResult,
    Cell,
    Metric,
    Quantity,
    ResultTable,
    RunStart,
    metrics_of,
)
from benchmarks.rounds import Quantities, Rounds, Spread, interleave
from benchmarks.subject import Say
from benchmarks.timed import repeat
from model_tools.evaluation import CocoMetrics, GroundTruth, coco_metrics, mean_metrics
from model_tools.importing import ImageBatch, lowered
from model_tools.precision import fidelity
from models import BUILTIN_ROOT, Detector, ModelPackage, ModelRepository, Precision
from models.detections import Detections
from simulation.scenes import (
    EVALUATION_SEEDS,
    LABELS,
    SEEDS_PER_VIEW,
    Sample,
    place_of,
    render_samples,
)
from simulation.training import recipe_named

CALIBRATION_BLOCK = 10_000
"""First of the blocks of evaluation seeds that calibrate; those for accuracy come before it."""
ACCURACY_BLOCK = 0
CHEAPER: tuple[Precision, ...] = ("int8", "fp16")
FIDELITY = tuple(
    f"fidelity_{one}" for one in ("ap50", "ap", "recall", "false_positive_rate", "iou")
)
"""What is kept of how close the results are to fp32's."""


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

    repository: Path = BUILTIN_ROOT
    model: str = "traffic"
    images: int = 96
    calibration: int = 64
    batches: tuple[int, ...] = (1, 8)
    rounds: int = 9
    round_s: float = 1.0


def run(benchmark: PrecisionBenchmark, say: Say) -> BenchmarkResult:
    """Measures accuracy, fidelity to fp32 and throughput.

    Raises:
        ModelError: There is no such package, or it cannot be converted.
    """
    start = RunStart()
    package = ModelRepository(benchmark.repository).find(benchmark.model)
    samples, calibration = _drawn(benchmark, say)
    images = np.stack([one.image for one in samples])
    with tempfile.TemporaryDirectory(prefix="cityeye-precision-") as folder:
        detectors: dict[str, Detector] = {"fp32": Detector(package, provider="auto")}
        for precision in CHEAPER:
            say(f"converting to {precision}")
            cheap = lowered(package, precision, calibration, Path(folder))
            detector = Detector(cheap, provider="auto")
            if detector.provider == detectors["fp32"].provider:
                detectors[precision] = detector
            else:
                say(f"{precision} is left out: it does not run on {detectors['fp32'].provider}")
    rows = {}
    for name, detector in detectors.items():
        say(f"inference on {len(images)} images with {name}")
        rows[name] = detector.run(images)
    real = [
        GroundTruth.of(one.boxes, one.class_ids, one.ignore).among(package.labels, LABELS)
        for one in samples
    ]
    accuracy = {name: _accuracy(package, found, real) for name, found in rows.items()}
    threshold = package.manifest.thresholds.default
    kept = {
        one: fidelity(rows["fp32"], rows[one], threshold).as_measured()
        for one in CHEAPER
        if one in rows
    }
    speed = {
        batch: _speed(detectors, images[:batch], benchmark, say) for batch in benchmark.batches
    }
    settings = {
        **_settings(benchmark),
        "model": str(package),
        "sha256": package.manifest.sha256,
        "provider": detectors["fp32"].provider,
    }
    title = f"{package} on {settings['provider']}"
    tables = [_accuracy_table(title, accuracy, kept), _speed_table(title, speed)]
    metrics = [*_accuracy_metrics(accuracy, kept), *_speed_metrics(speed)]
    return start.result("precision", settings, metrics, tables)


def _drawn(benchmark: PrecisionBenchmark, say: Say) -> tuple[list[Sample], ImageBatch]:
    """Images with ground truth to measure accuracy on, and others to choose int8 ranges by."""
    places = recipe_named(benchmark.model).speciality.places
    say("drawing images")
    samples = list(render_samples(seeds_of(places, ACCURACY_BLOCK, benchmark.images)))
    calibrating = render_samples(seeds_of(places, CALIBRATION_BLOCK, benchmark.calibration))
    return samples, np.stack([one.image for one in calibrating])


def seeds_of(places: Sequence[str], first_block: int, count: int) -> list[int]:
    """Evaluation seeds that show some places, block after block."""
    starts = EVALUATION_SEEDS[first_block * SEEDS_PER_VIEW :: SEEDS_PER_VIEW]
    blocks = (start for start in starts if place_of(start) in places)
    needed = islice(blocks, -(-count // SEEDS_PER_VIEW))
    return [seed for start in needed for seed in range(start, start + SEEDS_PER_VIEW)][:count]


def _accuracy(
    package: ModelPackage, rows: npt.NDArray[np.float32], real: Sequence[GroundTruth]
) -> CocoMetrics:
    found = [Detections.from_rows(one) for one in rows]
    threshold = package.manifest.thresholds.default
    return mean_metrics(coco_metrics(found, real, package.labels, threshold))


def _speed(
    detectors: Mapping[str, Detector], batch: ImageBatch, benchmark: PrecisionBenchmark, say: Say
) -> Rounds:
    """Images per second of every precision, round by round."""

    def measure(detector: Detector, seconds: float) -> Quantities:
        return {"images_per_s": repeat(lambda: len(detector.run(batch)), seconds).per_s}

    for detector in detectors.values():
        measure(detector, 0.0)
    say(f"throughput in batches of {len(batch)}")
    return interleave(
        {name: partial(measure, one, benchmark.round_s) for name, one in detectors.items()},
        benchmark.rounds,
    )


def _accuracy_metrics(
    accuracy: Mapping[str, CocoMetrics], kept: Mapping[Precision, Mapping[str, float]]
) -> list[Metric]:
    """One sample each: the same images give the same accuracy every time."""
    values = {
        f"{quantity}[precision={name}]": value
        for name, one in accuracy.items()
        for quantity, value in (("ap50", one.ap50), ("ap", one.ap))
    }
    values |= {
        f"{quantity}_change[precision={name}]": getattr(accuracy[name], quantity)
        - getattr(accuracy["fp32"], quantity)
        for name in kept
        for quantity in ("ap50", "ap")
    }
    values |= {
        f"{quantity}[precision={name}]": kept[name][quantity]
        for name in kept
        for quantity in FIDELITY
        if quantity in kept[name]
    }
    return [
        Metric(
            name=name,
            unit="",
            better="lower" if "false_positive" in name else "higher",
            samples=(value,),
        )
        for name, value in values.items()
    ]


def _speed_metrics(speed: Mapping[int, Rounds]) -> list[Metric]:
    metrics: list[Metric] = []
    for batch, rounds in speed.items():
        labels = {name: f"precision={name},batch={batch}" for name in rounds.contestants}
        metrics += metrics_of(rounds, [Quantity("images_per_s", "images/s", "higher")], labels)
        metrics += [
            Metric(
                name=f"ratio[{labels[cheap]}]",
                unit="",
                better="higher",
                samples=rounds.ratios(cheap, "fp32", "images_per_s"),
            )
            for cheap in rounds.contestants
            if cheap != "fp32"
        ]
    return metrics


def _accuracy_table(
    title: str,
    accuracy: Mapping[str, CocoMetrics],
    kept: Mapping[Precision, Mapping[str, float]],
) -> ResultTable:
    fp32 = accuracy["fp32"]
    rows: list[tuple[Cell, ...]] = [("fp32", f"{fp32.ap50:.4f}", f"{fp32.ap:.4f}", "", "", "")]
    for one in kept:
        own = accuracy[one]
        changes = (f"{own.ap50 - fp32.ap50:+.4f}", f"{own.ap - fp32.ap:+.4f}")
        # Missing where fp32 finds nothing with confidence.
        close = kept[one].get("fidelity_ap50", float("nan"))
        rows.append((one, f"{own.ap50:.4f}", f"{own.ap:.4f}", *changes, f"{close:.4f}"))
    columns = ("precision", "AP50", "AP", "AP50 change", "AP change", "AP50 against fp32's results")
    return ResultTable(
        title=f"{title}: accuracy on drawn images", columns=columns, rows=tuple(rows)
    )


def _speed_table(title: str, speed: Mapping[int, Rounds]) -> ResultTable:
    rows: list[tuple[Cell, ...]] = []
    for batch, rounds in speed.items():
        for name in rounds.contestants:
            median = rounds.spread(name, "images_per_s").median
            ratios = Spread.of(rounds.ratios(name, "fp32", "images_per_s"))
            rows.append((batch, name, median, "" if name == "fp32" else ratios.text()))
    columns = ("batch", "precision", "images/s", "times fp32")
    return ResultTable(title=f"{title}: throughput", columns=columns, rows=tuple(rows))


def _settings(benchmark: PrecisionBenchmark) -> dict[str, JsonValue]:
    return {
        "images": benchmark.images,
        "calibration": benchmark.calibration,
        "batches": list(benchmark.batches),
        "rounds": benchmark.rounds,
        "round_s": benchmark.round_s,
    }

"""Measuring: what a written package finds in labelled images, and how fast."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from model_tools.evaluation import GroundTruth, evaluate, recall_by_size
from models import Detector, ModelPackage
from models.detections import Detections
from simulation.scenes import Sample
from simulation.training.card import SIZE_BOUNDS_PX, Measured

TIMED_RUNS = 50


def measure(package: ModelPackage, known: Sequence[str], images: Sequence[Sample]) -> Measured:
    """Runs a package over labelled images, one at a time, on one thread."""
    detector = Detector(package)
    found: list[Detections] = []
    for one in images:
        found.extend(detector.detect(one.image[None], threshold=0.0))
    real = [
        GroundTruth.of(one.boxes, one.class_ids, one.ignore).among(package.labels, known)
        for one in images
    ]
    threshold = package.manifest.thresholds.default
    results = evaluate(found, real, len(package.labels))
    by_size = recall_by_size(found, real, SIZE_BOUNDS_PX, threshold=threshold)
    milliseconds = _milliseconds(detector, images[0].image[None])
    return Measured(package.labels, results, by_size, milliseconds, len(images), threshold)


def _milliseconds(detector: Detector, image: npt.NDArray[np.uint8]) -> float:
    """Median of repeated runs in CPU time, which neighbours on the machine cannot inflate much."""
    spent = []
    for _ in range(TIMED_RUNS):
        started = time.process_time()
        detector.run(image)
        spent.append(time.process_time() - started)
    return statistics.median(spent) * 1000.0

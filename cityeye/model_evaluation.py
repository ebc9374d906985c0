"""Evaluates a model on labelled images, through exactly the graph that serves.

Images are brought to the package's size and fit as those of cameras are; boxes are brought back to
the pixels in which the labels were made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from cityeye.images import read_image
from model_tools.evaluation import (
    Dataset,
    EvaluationImage,
    EvaluationReport,
    GroundTruth,
    coco_metrics,
    mean_metrics,
    suggest_thresholds,
)
from models import Detector
from models.detections import Detections
from serving import model_ref
from serving.api import fitted


@dataclass(frozen=True, slots=True)
class ThresholdWish:
    """Thresholds are to be suggested.

    Attributes:
        precision: The precision that they shall give; None for the best F1.
    """

    precision: float | None = None


def evaluate_model(
    detector: Detector,
    threads: int,
    data: Dataset,
    on_images: Callable[[int], None],
    wish: ThresholdWish | None = None,
) -> EvaluationReport:
    """Evaluates a loaded model.

    Args:
        detector: The model, loaded with `threads` threads.
        threads: Threads inside one run.
        data: Labels in its class numbering.
        on_images: Called with the number of images so far.
        wish: Which thresholds shall be suggested, if any.

    Raises:
        CommandError: An image cannot be read.
        ModelError: The model fails, or labels do not fit an image.
    """
    found, real = [], []
    for seen, there in inferred_images(detector, data.images):
        found.append(seen)
        real.append(there)
        on_images(len(found))
    package = detector.package
    thresholds = package.thresholds
    everything = coco_metrics(found, real, package.labels, thresholds)
    evaluated = data.classes.evaluated
    classes = tuple(everything[row] for row in evaluated)
    present = [round(one, 6) for one in thresholds.tolist()]
    return EvaluationReport(
        model=str(package),
        sha256=package.manifest.sha256,
        precision=package.manifest.precision,
        data=data.name,
        form=data.form,
        images=len(found),
        objects=sum(one.objects for one in classes),
        provider=detector.provider,
        threads=threads,
        threshold=package.manifest.thresholds.default,
        left_out=data.classes.left_out,
        unlabelled=data.classes.unlabelled,
        means=mean_metrics(classes),
        classes=classes,
        suggested=()
        if wish is None
        else suggest_thresholds(found, real, package.labels, present, evaluated, wish.precision),
        at=datetime.now(UTC),
    )


def inferred_images(
    detector: Detector, images: Sequence[EvaluationImage]
) -> Iterator[tuple[Detections, GroundTruth]]:
    """For each image what the model finds, down to its lowest scores, and what there is.

    Both are in pixels of the image on disk.
    """
    most, view = detector.package.manifest.input.max_batch, model_ref(detector.package).view
    for start in range(0, len(images), most):
        batch, letterboxes, real = [], [], []
        for one in images[start : start + most]:
            full = read_image(one.path)
            image, letterbox = fitted(full, view)
            batch.append(image)
            letterboxes.append(letterbox)
            real.append(one.objects_in(full.shape[1], full.shape[0]))
        found = detector.detect(np.concatenate(batch), threshold=0.0)
        for seen, letterbox, there in zip(found, letterboxes, real, strict=True):
            extent = np.array([letterbox.full.width, letterbox.full.height] * 2, np.float32)
            boxes = letterbox.to_normalised(seen.boxes) * extent
            yield Detections(boxes, seen.scores, seen.class_ids), there

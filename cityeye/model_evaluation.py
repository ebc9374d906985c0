"""Evaluates a model on labelled images, through exactly the graph that serves.

Images are brought to the package's size and fit as those of cameras are; boxes are brought back to
the pixels in which the labels were made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
)
from models import Detector
from models.detections import Detections
from serving import model_ref
from serving.api import fitted


def evaluate_model(
    detector: Detector, threads: int, data: Dataset, on_images: Callable[[int], None]
) -> EvaluationReport:
    """Evaluates a loaded model.

    It was loaded with `threads` threads. The labels have its class numbering; `on_images` is called
    with the number of images so far.

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
    threshold = package.manifest.thresholds.default
    everything = coco_metrics(found, real, package.labels, threshold)
    classes = tuple(everything[row] for row in data.classes.evaluated)
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
        threshold=threshold,
        left_out=data.classes.left_out,
        unlabelled=data.classes.unlabelled,
        means=mean_metrics(classes),
        classes=classes,
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

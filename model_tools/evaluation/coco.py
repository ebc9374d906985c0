"""The metrics of the COCO benchmark per class, equal to those of its reference evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Annotated

import numpy as np
from pydantic import AliasChoices, Field

from model_tools.evaluation.curve import Measure, OperatingPoint, mean_of_known
from model_tools.evaluation.matching import MatchCriteria, MatchedDetections, match_detections
from model_tools.evaluation.truth import GroundTruth
from models.detections import ClassScores, Detections

IOUS = tuple(float(one) for one in np.linspace(0.5, 0.95, 10))
SMALL_PX2, LARGE_PX2, MOST_PX2 = 32.0**2, 96.0**2, 1e10
SIZES = ((0.0, MOST_PX2), (0.0, SMALL_PX2), (SMALL_PX2, LARGE_PX2), (LARGE_PX2, MOST_PX2))
"""All, small, medium and large objects, by area in square pixels."""
MOST_DETECTIONS = 100
COCO = MatchCriteria(IOUS, SIZES, MOST_DETECTIONS)
AT_50, AT_75 = 0, 5
"""Places of the IoU thresholds 0.50 and 0.75 among `IOUS`."""


@dataclass(frozen=True, slots=True)
class CocoMetrics:
    """COCO's twelve metrics; not a number where there is nothing to find.

    Attributes:
        ap: Average precision, mean over the IoU thresholds 0.50 to 0.95.
        ap50: At IoU 0.50.
        ap75: At IoU 0.75.
        ap_small: `ap` of objects of less than 32 x 32 pixels of the original image.
        ap_medium: Of objects between that and 96 x 96.
        ap_large: Of larger ones.
        ar1: Recall, mean over the IoU thresholds, with one detection per image and class.
        ar10: With ten.
        ar100: With a hundred.
        ar_small: `ar100` of small objects.
        ar_medium: Of medium objects.
        ar_large: Of large ones.
    """

    ap: Measure
    ap50: Measure
    ap75: Measure
    ap_small: Measure
    ap_medium: Measure
    ap_large: Measure
    ar1: Measure
    ar10: Measure
    ar100: Measure
    ar_small: Measure
    ar_medium: Measure
    ar_large: Measure


@dataclass(frozen=True, slots=True)
class ClassMetrics:
    """How well one class is found.

    Attributes:
        label: Class name.
        objects: Objects to be found.
        metrics: COCO's metrics.
        at_threshold: What is found above the package's threshold of the class, at IoU 0.50.
        best: The threshold with the greatest F1 there; not a number where nothing is right.
    """

    label: str
    objects: int
    # Files of earlier versions call them `figures`.
    metrics: Annotated[CocoMetrics, Field(validation_alias=AliasChoices("metrics", "figures"))]
    at_threshold: OperatingPoint
    best: OperatingPoint


def coco_metrics(
    found: Sequence[Detections],
    real: Sequence[GroundTruth],
    labels: Sequence[str],
    threshold: float | ClassScores,
) -> tuple[ClassMetrics, ...]:
    """Evaluates detections class by class.

    Args:
        found: Detections of each image, in pixels of the original image, down to very low
            scores; images in the order of their ids, which decides between equal scores.
        real: Objects of each image, in the same order and class numbering.
        labels: Class names; row = class id.
        threshold: Score above which detections are used in service, for all classes or by class.
    """
    limits = np.broadcast_to(threshold, len(labels)).tolist()
    return tuple(
        _class_metrics(label, match_detections(found, real, index, COCO), round(limit, 6))
        for index, (label, limit) in enumerate(zip(labels, limits, strict=True))
    )


def mean_metrics(classes: Iterable[ClassMetrics]) -> CocoMetrics:
    """Means over the classes for which a metric exists."""
    rows = [asdict(one.metrics) for one in classes]
    return CocoMetrics(
        **{one.name: mean_of_known([row[one.name] for row in rows]) for one in fields(CocoMetrics)}
    )


def _class_metrics(label: str, matches: MatchedDetections, threshold: float) -> ClassMetrics:
    curves = [
        [matches.curve(size, level) for level in range(len(IOUS))] for size in range(len(SIZES))
    ]
    precise = [[one.average_precision for one in row] for row in curves]
    sized = [mean_of_known([one.recall for one in row]) for row in curves]
    few = [
        mean_of_known([matches.curve(0, level, most).recall for level in range(len(IOUS))])
        for most in (1, 10)
    ]
    everything = curves[0][AT_50]
    return ClassMetrics(
        label=label,
        objects=everything.objects,
        metrics=CocoMetrics(
            ap=mean_of_known(precise[0]),
            ap50=precise[0][AT_50],
            ap75=precise[0][AT_75],
            ap_small=mean_of_known(precise[1]),
            ap_medium=mean_of_known(precise[2]),
            ap_large=mean_of_known(precise[3]),
            ar1=few[0],
            ar10=few[1],
            ar100=sized[0],
            ar_small=sized[1],
            ar_medium=sized[2],
            ar_large=sized[3],
        ),
        at_threshold=everything.at(threshold),
        best=everything.best,
    )

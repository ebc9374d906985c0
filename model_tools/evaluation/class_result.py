"""Average precision per class at one IoU threshold: for training and the packages' cards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model_tools.evaluation.curve import Curve
from model_tools.evaluation.matching import MatchCriteria, MatchedDetections, match_detections
from model_tools.evaluation.truth import GroundTruth, Objects
from models.detections import Detections, pairwise_iou

AP50_IOU = 0.5


@dataclass(frozen=True, slots=True)
class ClassResult:
    """How well one class is found.

    Attributes:
        average_precision: 0 to 1; not a number where there is nothing to find.
        objects: Objects to be found.
        recall: Share of them found at any score.
        precision_at_threshold: Share of right detections among those above the threshold.
        recall_at_threshold: Share of objects found above the threshold.
    """

    average_precision: float
    objects: int
    recall: float
    precision_at_threshold: float
    recall_at_threshold: float


def evaluate(
    found: Sequence[Detections],
    truth: Sequence[GroundTruth],
    classes: int,
    *,
    iou: float = AP50_IOU,
    threshold: float = 0.4,
) -> tuple[ClassResult, ...]:
    """Evaluates detections image by image.

    Args:
        found: Detections of each image, down to very low scores.
        truth: Ground truth of each image, in the same order and class numbering.
        classes: Number of classes.
        iou: Intersection over union that makes a match.
        threshold: Score at which precision and recall are also given.
    """
    real = [Objects.of(one) for one in truth]
    criteria = MatchCriteria((iou,))
    matches = (match_detections(found, real, label, criteria) for label in range(classes))
    return tuple(_result(one, threshold) for one in matches)


def mean_average_precision(results: Sequence[ClassResult]) -> float:
    """Mean over the classes that occur; not a number if none does."""
    present = [one.average_precision for one in results if one.objects]
    return float(np.mean(present)) if present else float("nan")


def recall_by_size(
    found: Sequence[Detections],
    truth: Sequence[GroundTruth],
    bounds_px: Sequence[float],
    *,
    iou: float = AP50_IOU,
    threshold: float = 0.4,
) -> tuple[tuple[int, float], ...]:
    """Objects to be found and share of them found, by size (square root of the box area).

    Args:
        found: Detections of each image.
        truth: Ground truth of each image, in the same order and class numbering.
        bounds_px: Ascending limits between the size ranges; one range more than limits.
        iou: Intersection over union that makes a match of the same class.
        threshold: Least score.
    """
    sizes, hits = [np.zeros(0)], [np.zeros(0, np.bool_)]
    for seen, real in zip(found, truth, strict=True):
        wanted = ~real.ignore
        boxes, class_ids = real.boxes[wanted], real.class_ids[wanted]
        good = seen.where(seen.scores > threshold)
        same = class_ids[:, None] == good.class_ids[None, :]
        hits.append(((pairwise_iou(boxes, good.boxes) >= iou) & same).any(1))
        sizes.append(np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)))
    ranges = np.digitize(np.concatenate(sizes), bounds_px)
    hit = np.concatenate(hits)
    counts = [int((ranges == index).sum()) for index in range(len(bounds_px) + 1)]
    return tuple(
        (count, float(hit[ranges == index].mean()) if count else float("nan"))
        for index, count in enumerate(counts)
    )


def _result(matches: MatchedDetections, threshold: float) -> ClassResult:
    counted = ~matches.ignored[0, 0]
    curve = Curve(matches.scores[counted], matches.right[0, 0, counted], int(matches.wanted[0]))
    point = curve.at(threshold)
    return ClassResult(
        average_precision=curve.average_precision,
        objects=curve.objects,
        recall=curve.recall,
        precision_at_threshold=point.precision,
        recall_at_threshold=point.recall,
    )

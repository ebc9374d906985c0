"""Average precision per class at one IoU threshold: for training and the packages' cards."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from model_tools.evaluation.curve import Curve, mean_of_known
from model_tools.evaluation.matching import MatchCriteria, match_detections
from model_tools.evaluation.truth import GroundTruth
from models.detections import Detections, pairwise_iou

AP50_IOU = 0.5


def evaluate(
    found: Sequence[Detections],
    truth: Sequence[GroundTruth],
    classes: int,
    *,
    iou: float = AP50_IOU,
) -> tuple[Curve, ...]:
    """Evaluates detections class by class.

    Args:
        found: Detections of each image, down to very low scores.
        truth: Ground truth of each image, in the same order and class numbering.
        classes: Number of classes.
        iou: Intersection over union that makes a match.
    """
    criteria = MatchCriteria((iou,))
    matches = (match_detections(found, truth, label, criteria) for label in range(classes))
    return tuple(one.curve() for one in matches)


def mean_average_precision(results: Sequence[Curve]) -> float:
    """Mean over the classes that occur; not a number if none does."""
    return mean_of_known(one.average_precision for one in results)


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
    for all_found, real in zip(found, truth, strict=True):
        wanted = real.where(~real.ignore)
        good = all_found.where(all_found.scores > threshold)
        same = wanted.class_ids[:, None] == good.class_ids[None, :]
        hits.append(((pairwise_iou(wanted.boxes, good.boxes) >= iou) & same).any(1))
        sizes.append(np.sqrt(wanted.areas))
    ranges = np.digitize(np.concatenate(sizes), bounds_px)
    hit = np.concatenate(hits)
    counts = [int((ranges == index).sum()) for index in range(len(bounds_px) + 1)]
    return tuple(
        (count, float(hit[ranges == index].mean()) if count else float("nan"))
        for index, count in enumerate(counts)
    )

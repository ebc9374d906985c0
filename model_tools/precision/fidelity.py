"""Fidelity: how far a cheaper precision departs from fp32 on the same images, without labels.

Confident detections of fp32 stand for ground truth. That shows what the arithmetic changed, not
how good either of the two is; where there are labels, evaluate both on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from model_tools.evaluation.coco import coco_metrics, mean_metrics
from model_tools.evaluation.curve import mean_of_known
from model_tools.evaluation.matching import MatchCriteria, match_detections
from model_tools.evaluation.truth import GroundTruth
from models.detections import Detections, Rows, matched_pairs, pairwise_iou

SAME_OBJECT_IOU = 0.5
"""IoU from which two boxes of a class are one object."""
DOUBTFUL = 0.5
"""Share of the threshold above which a detection of fp32 is neither wanted nor a mistake."""


@dataclass(frozen=True, slots=True)
class Fidelity:
    """What a cheaper precision changed; not a number where fp32 finds nothing with confidence.

    Attributes:
        images: Compared images.
        objects: Confident detections of fp32.
        ap50: Average precision of the other's detections against them, mean over the classes.
        ap: The same as mean over the IoU thresholds 0.50 to 0.95, which boxes a pixel off lower.
        recall: Share of them that the other finds above the threshold too.
        false_positive_rate: Confident detections of the other without a detection of fp32, even one
            of low confidence, as share of `objects`.
        score_shift: Mean of the other's score minus fp32's, over those found at any score.
        iou: Mean intersection over union of those pairs.
    """

    images: int
    objects: int
    ap50: float
    ap: float
    recall: float
    false_positive_rate: float
    score_shift: float
    iou: float

    def as_measured(self) -> dict[str, float]:
        """Flat numbers for the manifest; what is not a number is left out."""
        numbers = {f"fidelity_{name}": float(value) for name, value in asdict(self).items()}
        return {name: round(value, 4) for name, value in numbers.items() if not np.isnan(value)}


def fidelity(reference_rows: Rows, other_rows: Rows, threshold: float) -> Fidelity:
    """Compares what two precisions of a model give for the same images.

    Args:
        reference_rows: (K, M, 6) float32 of fp32: x1 y1 x2 y2 score class.
        other_rows: (K, M, 6) float32 of the other.
        threshold: Score above which detections are used in service.
    """
    confident = [Detections.from_rows(rows, threshold) for rows in reference_rows]
    found = [Detections.from_rows(rows) for rows in other_rows]
    truth = [_truth(rows, threshold) for rows in reference_rows]
    classes = 1 + max((int(one.class_ids.max(initial=-1)) for one in confident), default=-1)
    labels = [str(label) for label in range(classes)]
    metrics = mean_metrics(coco_metrics(found, truth, labels, threshold))
    objects, right, wrong = _counts(found, truth, threshold)
    iou, shift = _pairs(confident, found)
    return Fidelity(
        images=len(confident),
        objects=objects,
        ap50=metrics.ap50,
        ap=metrics.ap,
        recall=right / objects if objects else float("nan"),
        false_positive_rate=wrong / objects if objects else float("nan"),
        score_shift=mean_of_known(shift),
        iou=mean_of_known(iou),
    )


def _truth(rows: Rows, threshold: float) -> GroundTruth:
    """fp32's detections of one image, the doubtful ones to be ignored."""
    seen = Detections.from_rows(rows, threshold * DOUBTFUL)
    doubtful = seen.scores <= threshold
    return GroundTruth.of(seen.boxes, seen.class_ids, doubtful)


def _counts(
    found: Sequence[Detections], truth: Sequence[GroundTruth], threshold: float
) -> tuple[int, int, int]:
    """Confident objects of fp32, and how many of the other's detections are right and wrong."""
    labels = {int(label) for one in found for label in one.class_ids}
    labels |= {int(label) for one in truth for label in one.class_ids}
    objects = right = wrong = 0
    for label in sorted(labels):
        matches = match_detections(found, truth, label, MatchCriteria((SAME_OBJECT_IOU,)))
        confident = matches.scores > threshold
        hit, ignored = matches.right[0, 0], matches.ignored[0, 0]
        objects += int(matches.wanted[0])
        right += int((hit & confident).sum())
        wrong += int((~hit & ~ignored & confident).sum())
    return objects, right, wrong


def _pairs(
    confident: Sequence[Detections], found: Sequence[Detections]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """IoU and score shift of each confident detection that the other has at any score."""
    iou, shift = [np.zeros(0)], [np.zeros(0)]
    for one, other in zip(confident, found, strict=True):
        same = one.class_ids[:, None] == other.class_ids[None, :]
        table = np.where(same, pairwise_iou(one.boxes, other.boxes), 0.0)
        rows, columns = matched_pairs(table, SAME_OBJECT_IOU)
        iou.append(table[rows, columns])
        shift.append(other.scores[columns].astype(np.float64) - one.scores[rows])
    return np.concatenate(iou), np.concatenate(shift)

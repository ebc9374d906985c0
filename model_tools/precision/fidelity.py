"""Fidelity: how far a cheaper precision departs from fp32 on the same images, without labels.

What fp32 finds with confidence is taken for the truth. That shows what the arithmetic changed, not
how good either of the two is; where there are labels, judge both on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model_tools.evaluation.coco_figures import coco_figures, mean_figures
from model_tools.evaluation.matching import Demand, judged
from model_tools.evaluation.truth import GroundTruth, Objects
from models.detections import Detections, overlaps

SAME_OBJECT = 0.5
"""Overlap from which two boxes of a class are one object."""
DOUBTFUL = 0.5
"""Share of the threshold above which a detection of fp32 is neither demanded nor a mistake."""

Rows = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Fidelity:
    """What a cheaper precision changed; not a number where fp32 finds nothing with confidence.

    Attributes:
        images: Compared images.
        objects: Confident detections of fp32.
        ap50: Average precision of the other's detections against them, mean over the classes.
        ap: The same as mean over the overlaps 0.50 to 0.95, which boxes a pixel off lower.
        recall: Share of them that the other finds above the threshold too.
        added: Confident detections of the other that fp32 does not have even with doubt, as share
            of `objects`.
        score_shift: Mean of the other's score minus fp32's, over those found at any score.
        overlap: Mean intersection over union of those pairs.
    """

    images: int
    objects: int
    ap50: float
    ap: float
    recall: float
    added: float
    score_shift: float
    overlap: float

    def as_measured(self) -> dict[str, float]:
        """Flat numbers for the manifest; what is not a number is left out."""
        told = {
            "fidelity_ap50": self.ap50,
            "fidelity_ap": self.ap,
            "fidelity_recall": self.recall,
            "fidelity_false_positive_rate": self.added,
            "fidelity_score_shift": self.score_shift,
            "fidelity_overlap": self.overlap,
        }
        counts = {
            "fidelity_images": float(self.images),
            "fidelity_objects": float(self.objects),
        }
        return {
            **{key: round(value, 4) for key, value in told.items() if not np.isnan(value)},
            **counts,
        }


def fidelity(reference_rows: Rows, other_rows: Rows, threshold: float) -> Fidelity:
    """Compares what two precisions of a model give for the same images.

    Args:
        reference_rows: (K, M, 6) float32 of fp32: x1 y1 x2 y2 score class.
        other_rows: (K, M, 6) float32 of the other.
        threshold: Score above which detections are used in service.
    """
    sure = [Detections.from_rows(rows, threshold) for rows in reference_rows]
    found = [Detections.from_rows(rows) for rows in other_rows]
    truth = [_truth(rows, threshold) for rows in reference_rows]
    classes = 1 + max((int(one.class_ids.max(initial=-1)) for one in sure), default=-1)
    judged_all = coco_figures(found, truth, [str(label) for label in range(classes)], threshold)
    figures = mean_figures(judged_all)
    counts = _counts(found, truth, threshold)
    overlap, shift = _pairs(sure, found)
    return Fidelity(
        images=len(sure),
        objects=counts.objects,
        ap50=figures.ap50,
        ap=figures.ap,
        recall=counts.share(counts.right),
        added=counts.share(counts.wrong),
        score_shift=_mean(shift),
        overlap=_mean(overlap),
    )


@dataclass(frozen=True, slots=True)
class _Counts:
    """Confident detections of all classes."""

    objects: int
    right: int
    wrong: int

    def share(self, count: int) -> float:
        return count / self.objects if self.objects else float("nan")


def _truth(rows: Rows, threshold: float) -> Objects:
    """fp32's detections of one image, the doubtful ones to be passed over."""
    seen = Detections.from_rows(rows, threshold * DOUBTFUL)
    doubtful = seen.scores <= threshold
    return Objects.of(GroundTruth(seen.boxes, seen.class_ids, doubtful))


def _counts(found: Sequence[Detections], truth: Sequence[Objects], threshold: float) -> _Counts:
    labels = {int(label) for one in found for label in one.class_ids}
    labels |= {int(label) for one in truth for label in one.class_ids}
    objects = right = wrong = 0
    for label in sorted(labels):
        verdicts = judged(found, truth, label, Demand((SAME_OBJECT,)))
        sure = verdicts.scores > threshold
        hit, excused = verdicts.right[0, 0], verdicts.excused[0, 0]
        objects += int(verdicts.demanded[0])
        right += int((hit & sure).sum())
        wrong += int((~hit & ~excused & sure).sum())
    return _Counts(objects, right, wrong)


def _pairs(
    sure: Sequence[Detections], found: Sequence[Detections]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Overlap and score shift of each confident detection that the other has at any score."""
    overlap, shift = [np.zeros(0)], [np.zeros(0)]
    for one, other in zip(sure, found, strict=True):
        same = one.class_ids[:, None] == other.class_ids[None, :]
        table = np.where(same, overlaps(one.boxes, other.boxes), 0.0)
        best = table.max(1, initial=0.0)
        there = best >= SAME_OBJECT
        partner = table[there].argmax(1) if there.any() else np.zeros(0, np.int64)
        overlap.append(best[there])
        shift.append(other.scores[partner].astype(np.float64) - one.scores[there])
    return np.concatenate(overlap), np.concatenate(shift)


def _mean(values: npt.NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")

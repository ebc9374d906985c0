"""Evaluation: average precision per class, at one overlap, in the way of COCO.

Detections are matched greedily by score; a detection that only matches an ignored object counts
neither as right nor as wrong; precision is made monotone and sampled at 101 recall levels (Lin et
al., "Microsoft COCO: Common Objects in Context", 2014, and its reference evaluation).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.detections import Detections, overlaps

RECALL_LEVELS = np.linspace(0.0, 1.0, 101)
AP50_OVERLAP = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class GroundTruth:
    """What there is to see in one picture.

    Attributes:
        boxes: (N, 4) float32 x1 y1 x2 y2 in pixels of the picture.
        class_ids: (N,) int64.
        ignore: (N,) bool; neither demand nor punish a detection there.
    """

    boxes: npt.NDArray[np.float32]
    class_ids: npt.NDArray[np.int64]
    ignore: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ClassResult:
    """How well one class is found.

    Attributes:
        average_precision: 0 to 1; not a number where there is nothing to find.
        objects: Demanded objects.
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
    overlap: float = AP50_OVERLAP,
    threshold: float = 0.4,
) -> tuple[ClassResult, ...]:
    """Judges detections picture by picture.

    Args:
        found: Detections of each picture, down to very low scores.
        truth: Ground truth of each picture, in the same order and class numbering.
        classes: Number of classes.
        overlap: Intersection over union that makes a match.
        threshold: Score at which precision and recall are also told.
    """
    return tuple(_judge(found, truth, label, overlap, threshold) for label in range(classes))


def mean_average_precision(results: Sequence[ClassResult]) -> float:
    """Mean over the classes that occur; not a number if none does."""
    present = [one.average_precision for one in results if one.objects]
    return float(np.mean(present)) if present else float("nan")


def recall_by_size(
    found: Sequence[Detections],
    truth: Sequence[GroundTruth],
    bounds_px: Sequence[float],
    *,
    overlap: float = AP50_OVERLAP,
    threshold: float = 0.4,
) -> tuple[tuple[int, float], ...]:
    """Demanded objects and share of them found, by size (square root of the box area).

    Args:
        found: Detections of each picture.
        truth: Ground truth of each picture, in the same order and class numbering.
        bounds_px: Ascending limits between the size ranges; one range more than limits.
        overlap: Intersection over union that makes a match of the same class.
        threshold: Least score.
    """
    sizes, hits = [np.zeros(0)], [np.zeros(0, np.bool_)]
    for seen, real in zip(found, truth, strict=True):
        demanded = ~real.ignore
        boxes, class_ids = real.boxes[demanded], real.class_ids[demanded]
        good = seen.where(seen.scores > threshold)
        same = class_ids[:, None] == good.class_ids[None, :]
        hits.append(((overlaps(boxes, good.boxes) >= overlap) & same).any(1))
        sizes.append(np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)))
    ranges = np.digitize(np.concatenate(sizes), bounds_px)
    hit = np.concatenate(hits)
    counts = [int((ranges == index).sum()) for index in range(len(bounds_px) + 1)]
    return tuple(
        (count, float(hit[ranges == index].mean()) if count else float("nan"))
        for index, count in enumerate(counts)
    )


def _judge(
    found: Sequence[Detections],
    truth: Sequence[GroundTruth],
    label: int,
    overlap: float,
    threshold: float,
) -> ClassResult:
    scores, right, objects = [], [], 0
    for seen, real in zip(found, truth, strict=True):
        mine, there = seen.where(seen.class_ids == label), real.class_ids == label
        ignore = real.ignore[there]
        objects += int((~ignore).sum())
        verdict = _match(mine, real.boxes[there], ignore, overlap)
        counted = verdict >= 0
        scores.append(mine.scores[counted])
        right.append(verdict[counted] == 1)
    score = np.concatenate(scores) if scores else np.zeros(0, np.float32)
    order = np.argsort(-score, kind="stable")
    hits = (np.concatenate(right) if right else np.zeros(0, np.bool_))[order]
    return _summary(score[order], hits, objects, threshold)


def _match(
    seen: Detections, boxes: npt.NDArray[np.float32], ignore: npt.NDArray[np.bool_], overlap: float
) -> npt.NDArray[np.int64]:
    """Verdict per detection: 1 right, 0 wrong, -1 not counted."""
    verdict = np.zeros(len(seen), np.int64)
    taken = np.zeros(len(boxes), np.bool_)
    table = overlaps(seen.boxes, boxes)
    for row in np.argsort(-seen.scores, kind="stable"):
        free = np.flatnonzero(~taken & ~ignore & (table[row] >= overlap))
        if len(free):
            taken[free[np.argmax(table[row, free])]] = True
            verdict[row] = 1
        elif (table[row, ignore] >= overlap).any():
            verdict[row] = -1
    return verdict


def _summary(
    scores: npt.NDArray[np.float32], hits: npt.NDArray[np.bool_], objects: int, threshold: float
) -> ClassResult:
    if not objects:
        return ClassResult(float("nan"), 0, float("nan"), float("nan"), float("nan"))
    found = np.cumsum(hits)
    recall = found / objects
    precision = found / np.arange(1, len(hits) + 1)
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    reached = np.searchsorted(recall, RECALL_LEVELS, side="left")
    sampled = np.append(best_from_here, 0.0)[reached]
    above = int((scores > threshold).sum())
    right_above = int(hits[:above].sum())
    return ClassResult(
        average_precision=float(sampled.mean()),
        objects=objects,
        recall=float(recall[-1]) if len(recall) else 0.0,
        precision_at_threshold=right_above / above if above else float("nan"),
        recall_at_threshold=right_above / objects,
    )

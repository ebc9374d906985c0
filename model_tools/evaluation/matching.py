"""Matching against ground truth: which detections of one class are right, as COCO matches them.

Detections are matched greedily by score, one object each. A detection takes the wanted object with
the highest IoU; only if there is none, it may match an ignored object, and then does not count.
Several IoU thresholds and several ranges of size are evaluated together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model_tools.evaluation.curve import Curve
from model_tools.evaluation.truth import GroundTruth
from models.detections import Detections, areas, pairwise_iou

EVERY_SIZE = ((0.0, float("inf")),)
ALMOST_ALL = 1.0 - 1e-10
"""The greatest IoU threshold, so that rounding cannot make 1 unreachable."""

_Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class MatchCriteria:
    """What is a match.

    Attributes:
        ious: T thresholds of intersection over union, ascending.
        sizes: A ranges of area in square pixels, both ends included; an object outside is not
            wanted, an unmatched detection outside does not count.
        most: Detections per image and class that count, best score first; all if None.
    """

    ious: tuple[float, ...]
    sizes: tuple[tuple[float, float], ...] = EVERY_SIZE
    most: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class MatchedDetections:
    """Detections of one class over all images, best score first.

    Attributes:
        scores: (D,) float32, descending.
        ranks: (D,) int64, place by score within the own image, from 0.
        right: (A, T, D) bool; true positives.
        ignored: (A, T, D) bool; neither true nor false positives.
        wanted: (A,) int64, objects to be found.
    """

    scores: npt.NDArray[np.float32]
    ranks: npt.NDArray[np.int64]
    right: _Flags
    ignored: _Flags
    wanted: npt.NDArray[np.int64]

    def curve(self, size: int = 0, level: int = 0, most: int | None = None) -> Curve:
        """Precision over recall.

        Args:
            size: Which of the ranges of area.
            level: Which of the IoU thresholds.
            most: Detections per image that count, best score first; all if None.
        """
        counted = ~self.ignored[size, level]
        if most is not None:
            counted &= self.ranks < most
        right = self.right[size, level, counted]
        return Curve(self.scores[counted], right, int(self.wanted[size]))


def match_detections(
    found: Sequence[Detections], real: Sequence[GroundTruth], class_id: int, criteria: MatchCriteria
) -> MatchedDetections:
    """Matches the detections of one class with the ground truth, image by image.

    Args:
        found: Detections of each image, in the coordinates of its objects.
        real: Objects of each image, in the same order and class numbering.
        class_id: The class.
        criteria: What is a match.
    """
    shape = (len(criteria.sizes), len(criteria.ious), 0)
    scores, ranks = [np.zeros(0, np.float32)], [np.zeros(0, np.int64)]
    right, ignored = [np.zeros(shape, np.bool_)], [np.zeros(shape, np.bool_)]
    wanted = np.zeros(len(criteria.sizes), np.int64)
    for all_found, all_real in zip(found, real, strict=True):
        own = _ranked(all_found, class_id, criteria.most)
        objects = all_real.where(all_real.class_ids == class_id)
        if not len(own) and not len(objects):
            continue
        unwanted = objects.ignore | _outside(objects.areas, criteria)
        wanted += (~unwanted).sum(1)
        hit, spared = _matched(own, objects, unwanted, criteria)
        right.append(hit)
        ignored.append(spared)
        scores.append(own.scores)
        ranks.append(np.arange(len(own)))
    score = np.concatenate(scores)
    order = np.argsort(-score, kind="stable")
    return MatchedDetections(
        scores=score[order],
        ranks=np.concatenate(ranks)[order],
        right=np.concatenate(right, axis=2)[..., order],
        ignored=np.concatenate(ignored, axis=2)[..., order],
        wanted=wanted,
    )


def _ranked(found: Detections, class_id: int, most: int | None) -> Detections:
    own = found.where(found.class_ids == class_id)
    order = np.argsort(-own.scores, kind="stable")[:most]
    return Detections(own.boxes[order], own.scores[order], own.class_ids[order])


def _outside(area: npt.NDArray[np.float64], criteria: MatchCriteria) -> _Flags:
    """(A, N): whether an area lies outside each range."""
    least, greatest = np.array(criteria.sizes).T
    outside: _Flags = (area[None] < least[:, None]) | (area[None] > greatest[:, None])
    return outside


def _matched(
    own: Detections, objects: GroundTruth, unwanted: _Flags, criteria: MatchCriteria
) -> tuple[_Flags, _Flags]:
    """Which detections are right and which are ignored: twice (A, T, D)."""
    thresholds = np.minimum(criteria.ious, ALMOST_ALL)
    shape = (len(criteria.sizes), len(thresholds), len(own))
    right, ignored = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
    taken = np.zeros((*shape[:2], len(objects)), np.bool_)
    table = pairwise_iou(own.boxes, objects.boxes, objects.crowd)
    reached = table >= thresholds.min()
    for row in np.flatnonzero(reached.any(1)):
        near = np.flatnonzero(reached[row])
        iou = table[row, near]
        possible = iou >= thresholds[:, None]
        free = possible & (~taken[..., near] | objects.ignore[near])
        good = free & ~unwanted[:, None, near]
        found_one = good.any(-1)
        candidates = np.where(found_one[..., None], good, free)
        # Of equal IoUs the last one counts, as in the reference evaluation.
        best = len(near) - 1 - np.where(candidates, iou, -1.0)[..., ::-1].argmax(-1)
        matched = candidates.any(-1)
        sizes, levels = np.nonzero(matched)
        taken[sizes, levels, near[best[sizes, levels]]] = True
        right[..., row] = found_one
        ignored[..., row] = matched & ~found_one
    outside = _outside(areas(own.boxes), criteria)
    return right, ignored | (~right & outside[:, None])

"""Matching: which detections of one class are right, greedily by score, one object each.

A detection takes the demanded object that it overlaps most; only if there is none, an object that
does not count may excuse it. Several overlaps and several ranges of size are judged together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model_tools.evaluation.truth import Objects
from models.detections import Detections, areas, overlaps

EVERY_SIZE = ((0.0, float("inf")),)
ALMOST_ALL = 1.0 - 1e-10
"""The greatest overlap that can be asked for, so that rounding cannot make 1 unreachable."""

_Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Demand:
    """What is a match.

    Attributes:
        overlaps: T overlaps to judge at, ascending.
        sizes: A ranges of area in square pixels, both ends included; an object outside is not
            demanded, a detection outside that matches nothing is not punished.
        most: Detections per image and class that count, best score first; all if None.
    """

    overlaps: tuple[float, ...]
    sizes: tuple[tuple[float, float], ...] = EVERY_SIZE
    most: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Verdicts:
    """Detections of one class over all images, best score first.

    Attributes:
        scores: (D,) float32, descending.
        ranks: (D,) int64, place by score within the own image, from 0.
        right: (A, T, D) bool; it found a demanded object.
        excused: (A, T, D) bool; it counts neither as right nor as wrong.
        demanded: (A,) int64, objects to be found.
    """

    scores: npt.NDArray[np.float32]
    ranks: npt.NDArray[np.int64]
    right: _Flags
    excused: _Flags
    demanded: npt.NDArray[np.int64]


def judged(
    found: Sequence[Detections], real: Sequence[Objects], class_id: int, demand: Demand
) -> Verdicts:
    """Judges the detections of one class, image by image.

    Args:
        found: Detections of each image, in the coordinates of its objects.
        real: Objects of each image, in the same order and class numbering.
        class_id: The class.
        demand: What is a match.
    """
    scores, ranks, right, excused = [], [], [], []
    demanded = np.zeros(len(demand.sizes), np.int64)
    for seen, there in zip(found, real, strict=True):
        mine, objects = _ranked(seen, class_id, demand.most), there.of_class(class_id)
        if not len(mine) and not len(objects):
            continue
        passed_over = objects.ignore | _outside(objects.areas, demand)
        demanded += (~passed_over).sum(1)
        hit, spared = _matched(mine, objects, passed_over, demand)
        scores.append(mine.scores)
        ranks.append(np.arange(len(mine)))
        right.append(hit)
        excused.append(spared)
    shape = (len(demand.sizes), len(demand.overlaps), 0)
    score = np.concatenate([np.zeros(0, np.float32), *scores])
    order = np.argsort(-score, kind="stable")
    none = np.zeros(shape, np.bool_)
    return Verdicts(
        scores=score[order],
        ranks=np.concatenate([np.zeros(0, np.int64), *ranks])[order],
        right=np.concatenate([none, *right], axis=2)[..., order],
        excused=np.concatenate([none, *excused], axis=2)[..., order],
        demanded=demanded,
    )


def _ranked(seen: Detections, class_id: int, most: int | None) -> Detections:
    mine = seen.where(seen.class_ids == class_id)
    order = np.argsort(-mine.scores, kind="stable")[:most]
    return Detections(mine.boxes[order], mine.scores[order], mine.class_ids[order])


def _outside(area: npt.NDArray[np.float64], demand: Demand) -> _Flags:
    """(A, N): whether an area lies outside each range."""
    least, greatest = np.array(demand.sizes).T
    outside: _Flags = (area[None] < least[:, None]) | (area[None] > greatest[:, None])
    return outside


def _matched(
    seen: Detections, objects: Objects, passed_over: _Flags, demand: Demand
) -> tuple[_Flags, _Flags]:
    """Which detections are right and which are excused: twice (A, T, D)."""
    wanted = np.minimum(demand.overlaps, ALMOST_ALL)
    shape = (len(demand.sizes), len(wanted), len(seen))
    right, excused = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
    taken = np.zeros((*shape[:2], len(objects)), np.bool_)
    table = overlaps(seen.boxes, objects.boxes, objects.crowd)
    reached = table >= wanted.min()
    for row in np.flatnonzero(reached.any(1)):
        near = np.flatnonzero(reached[row])
        overlap = table[row, near]
        possible = overlap >= wanted[:, None]
        free = possible & (~taken[..., near] | objects.ignore[near])
        good = free & ~passed_over[:, None, near]
        found_one = good.any(-1)
        candidates = np.where(found_one[..., None], good, free)
        # Of equal overlaps the last one counts, as in the reference evaluation.
        best = len(near) - 1 - np.where(candidates, overlap, -1.0)[..., ::-1].argmax(-1)
        matched = candidates.any(-1)
        sizes, levels = np.nonzero(matched)
        taken[sizes, levels, near[best[sizes, levels]]] = True
        right[..., row] = found_one
        excused[..., row] = matched & ~found_one
    outside = _outside(areas(seen.boxes), demand)
    return right, excused | (~right & outside[:, None])

"""Which detection shows which track, and which detections show one thing twice.

Tracks and detections are rows of arrays; nothing here remembers anything.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

MIN_SIZE_RATIO: Final = 0.5

SAME_GROUP_IOU: Final = 0.75
OTHER_GROUP_IOU: Final = 0.85
"""Boxes that overlap this much show one thing under two names: of one group, or of two."""

INSIDE_SHARE: Final = 0.85
EDGE_SHARE: Final = 0.12
PART_EDGES: Final = 3
"""A box inside another one of its group shows a part of the same thing if all of its edges but one
lie on those of the other, within a share of the other's sides: half a person, half a lorry. A real
second object would have to stand exactly in such a corner."""

CENTRE_SHARE: Final = 0.1
MIN_AREA_RATIO: Final = 0.35
"""It shows the same thing in another size if both have one centre and like areas."""


def closeness(boxes: Reals, reach: Reals) -> Reals:
    """Of the first N boxes (N + M, 4) with the others: (N, M).

    It is 1 where two boxes of like sizes have one centre, and 0 from `reach` (N,) on, which counts
    in sizes of the larger of the two.
    """
    count = len(reach)
    corner, opposite = boxes[:, :2].T, boxes[:, 2:].T
    sides = opposite - corner
    np.maximum(sides, 1.0, out=sides)
    # The size is the side of a square with the area of the box, pixels.
    sizes = np.sqrt(sides[0] * sides[1])
    larger = np.maximum.outer(sizes[:count], sizes[count:])
    alike = np.minimum.outer(sizes[:count], sizes[count:]) >= MIN_SIZE_RATIO * larger
    centres = corner + opposite
    # Twice the distances, in both directions.
    apart = centres[:, :count, None] - centres[:, None, count:]
    apart *= apart
    away = np.sqrt(apart[0] + apart[1])
    larger *= 2 * reach[:, None]
    away /= larger
    near: Reals = np.subtract(1.0, away, out=away)
    np.maximum(near, 0.0, out=near)
    near *= alike
    return near


def assign(likeness: Reals, tracks: Indices, detections: Indices) -> tuple[Indices, Indices]:
    """The pairs of some tracks and some detections with the greatest sum of likenesses.

    Args:
        likeness: (N, M) of all tracks and detections; 0 where a pair is out of the question.
        tracks: Rows that may be paired.
        detections: Columns that may be paired.

    Returns:
        (K,) rows and (K,) columns of the pairs.
    """
    from scipy.optimize import linear_sum_assignment

    if not len(tracks) or not len(detections):
        return tracks[:0], detections[:0]
    table = likeness[tracks[:, None], detections]
    rows, columns = linear_sum_assignment(table, maximize=True)
    paired = table[rows, columns] > 0.0
    return tracks[rows[paired]], detections[columns[paired]]


def doubles(boxes: Reals, overlap: Reals, groups: Indices, two_things: Mask) -> tuple[Mask, Mask]:
    """Which detections show the same thing.

    Args:
        boxes: (M, 4) of the detections, best score first.
        overlap: (M, M) IoU of the detections.
        groups: (M,) numbers of their groups of labels.
        two_things: (G, G) by groups, pairs that are two things however they lie: a cycle and its
            rider.

    Returns:
        (M,), the detections that repeat a better one of their group; and (M, M), symmetric, the
        pairs that show one thing under names of two groups, or a part of it, or in another size.
    """
    # What overlaps by less is too small for a part.
    first, second = np.nonzero(overlap >= MIN_AREA_RATIO * INSIDE_SHARE)
    pairs = first < second
    first, second = first[pairs], second[pairs]
    repeats = np.zeros(len(boxes), np.bool_)
    one_thing = np.zeros(overlap.shape, np.bool_)
    if not len(first):
        return repeats, one_thing
    iou, same = overlap[first, second], groups[first] == groups[second]
    twice = same & (iou >= SAME_GROUP_IOU)
    for better, worse in zip(first[twice].tolist(), second[twice].tolist(), strict=True):
        repeats[worse] |= not repeats[better]
    found = (~same & (iou >= OTHER_GROUP_IOU)) | (same & _nested(boxes[first], boxes[second]))
    found &= ~two_things[groups[first], groups[second]]
    first, second = first[found], second[found]
    one_thing[first, second] = one_thing[second, first] = True
    return repeats, one_thing


def _nested(first: Reals, second: Reals) -> Mask:
    """Of each pair of boxes (K, 4), whether one shows a part of the other, or another size."""
    shared, area, other = _areas(first, second)
    smaller, larger = np.minimum(area, other), np.maximum(area, other)
    whole = np.where((area >= other)[:, None], first, second)
    sides = np.tile(whole[:, 2:] - whole[:, :2], 2)
    off = (first - second) / sides
    edges = np.count_nonzero(np.abs(off) <= EDGE_SHARE, axis=1) >= PART_EDGES
    centred = np.all(np.abs(off[:, :2] + off[:, 2:]) <= 2 * CENTRE_SHARE, axis=1)
    centred &= smaller >= MIN_AREA_RATIO * larger
    nested: Mask = (shared >= INSIDE_SHARE * smaller) & (edges | centred)
    return nested


def aligned_iou(first: Reals, second: Reals) -> Reals:
    """IoU of (K, 4) boxes with as many others, each with its own: (K,)."""
    shared, area, other = _areas(first, second)
    share: Reals = shared / np.maximum(area + other - shared, 1e-9)
    return share


def _areas(first: Reals, second: Reals) -> tuple[Reals, Reals, Reals]:
    """Of each pair of boxes (K, 4): the area of the common part, of the one, and of the other."""
    common = np.minimum(first[:, 2:], second[:, 2:]) - np.maximum(first[:, :2], second[:, :2])
    np.maximum(common, 0.0, out=common)
    sides, others = first[:, 2:] - first[:, :2], second[:, 2:] - second[:, :2]
    return common[:, 0] * common[:, 1], sides[:, 0] * sides[:, 1], others[:, 0] * others[:, 1]

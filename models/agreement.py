"""Agreement of two outputs: whether a model still finds the same objects, and what differs.

Rows are compared as sets of objects, class by class and by IoU, since near-equal scores swap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.detections import Rows, matched_pairs, pairwise_iou

_Distances = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far rows may lie from the golden ones.

    Attributes:
        min_score: Rows with a score at or below it do not count, unless the golden rows of the
            whole set stay below twice that; then half their best score takes its place.
        box_px: Largest distance between two edges of a box, in pixels.
        box_share: The same as a share of the box's longer side; the larger one counts.
        score: Largest distance between two scores.
        confident: Objects with a score above it must be in both.
        lost: Share of the golden objects between `min_score` and `confident` that may be without
            a partner or too far from it, and as many may be new.
    """

    min_score: float
    box_px: float
    score: float
    box_share: float = 0.0
    confident: float = 0.0
    lost: float = 0.0


STRICT = Tolerance(min_score=0.05, box_px=1e-2, score=1e-3)
"""For float32 arithmetic on a processor, whatever its vector width."""

LOOSE = Tolerance(min_score=0.1, box_px=2.0, box_share=0.02, score=0.03, confident=0.3, lost=0.05)
"""For another provider than the one that gave the golden rows."""

HALF = Tolerance(min_score=0.15, box_px=4.0, box_share=0.05, score=0.1, confident=0.5, lost=0.2)
"""For float16 arithmetic: confident objects stay; below, another of near-equal score may win."""

QUANTISED = Tolerance(
    min_score=0.2, box_px=4.0, box_share=0.25, score=0.3, confident=0.5, lost=0.34
)
"""For int8 arithmetic: confident objects stay where they are, others may go."""

SAME_OBJECT_IOU = 0.5
"""IoU from which two boxes of a class are compared as one object."""

NEAR_EQUAL = 1e-3
"""Distance of two scores whose order may change."""


def disagreement(found_rows: Rows, wanted_rows: Rows, tolerance: Tolerance) -> str:
    """Why two outputs for the same images are not the same; empty if they are.

    Args:
        found_rows: (K, M, 6) float32, or (M, 6) for one image.
        wanted_rows: Likewise, the golden ones.
        tolerance: What is still the same.

    Returns:
        A sentence with numbers, or an empty text.
    """
    if found_rows.shape != wanted_rows.shape:
        return f"the output has shape {found_rows.shape}, not {wanted_rows.shape}"
    found_rows = found_rows.reshape(-1, *found_rows.shape[-2:])
    wanted_rows = wanted_rows.reshape(found_rows.shape)
    if not np.isfinite(found_rows).all():
        image = int(np.argmin(np.isfinite(found_rows).all(axis=(1, 2))))
        return f"image {image}: the output holds numbers that are not finite"
    problem = _difference(found_rows, wanted_rows, tolerance, optimal=False)
    # Among objects that all but cover each other, the nearest ones need not belong together.
    return problem and _difference(found_rows, wanted_rows, tolerance, optimal=True)


def _difference(found_rows: Rows, wanted_rows: Rows, tolerance: Tolerance, *, optimal: bool) -> str:
    min_score = min(tolerance.min_score, float(wanted_rows[:, :, 4].max(initial=0.0)) / 2)
    counts = _LowConfidence()
    for image, (found, wanted) in enumerate(zip(found_rows, wanted_rows, strict=True)):
        partner = _partners(found, wanted, tolerance, optimal=optimal)
        problem = _compare(found, wanted, partner, min_score, tolerance, counts)
        if problem:
            return f"image {image}: {problem}"
    return counts.problem(tolerance.lost)


@dataclass(slots=True)
class _LowConfidence:
    """Counts, over all images, of objects below `Tolerance.confident`."""

    golden: int = 0
    missing: int = 0
    new: int = 0

    def problem(self, share: float) -> str:
        allowed = int(share * self.golden)
        if self.missing > allowed:
            return (
                f"{self.missing} of {self.golden} objects of low confidence are missing or moved, "
                f"{allowed} may be"
            )
        if self.new > allowed:
            return (
                f"{self.new} objects of low confidence are new to {self.golden}, {allowed} may be"
            )
        return ""


def _compare(
    found: Rows,
    wanted: Rows,
    partner: dict[int, int],
    min_score: float,
    tolerance: Tolerance,
    counts: _LowConfidence,
) -> str:
    """Compares one image: (M, 6) with (M, 6); counts what has low confidence."""
    least = max(min_score, _cut_off(found, wanted))
    confident = max(least, tolerance.confident)
    for index in np.flatnonzero(wanted[:, 4] > least).tolist():
        row = wanted[index]
        if index in partner:
            problem = _distance(found[partner[index]], row, tolerance)
        else:
            problem = f"{_named(row)} is missing"
        if problem and row[4] > confident:
            return problem
        counts.golden += row[4] <= confident
        counts.missing += bool(problem)
    least = max(min_score, _cut_off(wanted, found))
    confident = max(least, tolerance.confident)
    for index in set(np.flatnonzero(found[:, 4] > least).tolist()) - set(partner.values()):
        if found[index, 4] > confident:
            return f"{_named(found[index])} is not among the golden rows"
        counts.new += 1
    return ""


def _cut_off(full: Rows, compared: Rows) -> float:
    """Score up to which objects of `compared` may have found no room in the other table.

    Of near-equal objects, another one may have taken the last row; the better half always counts.
    """
    lowest = float(full[:, 4].min(initial=np.inf))
    scores = compared[compared[:, 4] > 0, 4]
    if not 0 < lowest < np.inf or not len(scores):
        return 0.0
    return min(lowest + NEAR_EQUAL, float(np.median(scores)) - NEAR_EQUAL)


def _partners(found: Rows, wanted: Rows, tolerance: Tolerance, *, optimal: bool) -> dict[int, int]:
    """Which found row is which wanted row: same class, near in place and score."""
    here, there = np.flatnonzero(wanted[:, 4] > 0), np.flatnonzero(found[:, 4] > 0)
    if not len(here) or not len(there):
        return {}
    one, other = wanted[here].astype(np.float64), found[there].astype(np.float64)
    iou = pairwise_iou(one[:, :4], other[:, :4])
    nearness = 1.0 - _edges(one, other) / _allowed(one, tolerance)[:, None]
    possible = (one[:, None, 5] == other[None, :, 5]) & (
        (iou >= SAME_OBJECT_IOU) | (nearness >= 0.0)
    )
    similarity = np.maximum(iou, nearness) + 1.0 - np.abs(one[:, None, 4] - other[None, :, 4])
    table = np.where(possible, similarity, 0.0)
    rows, columns = matched_pairs(table, np.finfo(np.float64).tiny, optimal=optimal)
    return dict(zip(here[rows].tolist(), there[columns].tolist(), strict=True))


def _edges(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> _Distances:
    """Largest distance between two edges: (A, 6) and (B, 6) rows → (A, B)."""
    distance: _Distances = np.abs(one[:, None, :4] - other[None, :, :4]).max(axis=2)
    return distance


def _allowed(rows: npt.NDArray[np.float64], tolerance: Tolerance) -> _Distances:
    """What an edge of each row (A, 6) may be off → (A,), in pixels."""
    side = (rows[:, 2:4] - rows[:, :2]).max(axis=1, initial=0.0)
    allowed: _Distances = np.maximum(tolerance.box_px, tolerance.box_share * side)
    return allowed


def _distance(found: Rows, wanted: Rows, tolerance: Tolerance) -> str:
    one, other = wanted[None].astype(np.float64), found[None].astype(np.float64)
    pixels, allowed = _edges(one, other).item(), _allowed(one, tolerance).item()
    if pixels > allowed:
        return f"the box of {_named(wanted)} is {pixels:.4g} px off, {allowed:.4g} may be"
    score = abs(float(found[4]) - float(wanted[4]))
    if score > tolerance.score:
        return f"the score of {_named(wanted)} is {score:.4g} off, {tolerance.score:g} may be"
    return ""


def _named(row: Rows) -> str:
    x1, y1, x2, y2, score, label = (float(value) for value in row)
    return f"class {label:g} with score {score:.3f} at [{x1:.0f}, {y1:.0f}, {x2:.0f}, {y2:.0f}]"

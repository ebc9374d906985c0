"""Agreement of two outputs: whether a model still finds the same objects, and what differs.

Rows are compared as sets of objects, class by class and by overlap, since near-equal scores swap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_Distances = npt.NDArray[np.float64]
_Pairing = Callable[[npt.NDArray[np.float64]], list[tuple[int, int]]]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far rows may lie from the golden ones.

    Attributes:
        floor: Rows with a score at or below it do not count, unless the golden rows of the whole
            set stay below twice that; then half their best score is the floor.
        box_px: Largest distance between two edges of a box, in pixels.
        box_share: The same as a share of the box's longer side; the larger one counts.
        score: Largest distance between two scores.
        sure: Objects with a score above it must be in both.
        lost: Share of the golden objects between `floor` and `sure` that may be without a
            partner or too far from it, and as many may be new.
    """

    floor: float
    box_px: float
    score: float
    box_share: float = 0.0
    sure: float = 0.0
    lost: float = 0.0


STRICT = Tolerance(floor=0.05, box_px=1e-2, score=1e-3)
"""For float32 arithmetic on a processor, whatever its vector width."""

LOOSE = Tolerance(floor=0.1, box_px=2.0, box_share=0.02, score=0.03, sure=0.3, lost=0.05)
"""For another provider than the one that gave the golden rows."""

HALF = Tolerance(floor=0.15, box_px=4.0, box_share=0.05, score=0.1, sure=0.5, lost=0.2)
"""For float16 arithmetic: what is sure stays, among near-equal weak objects another may win."""

QUANTISED = Tolerance(floor=0.2, box_px=4.0, box_share=0.25, score=0.3, sure=0.5, lost=0.34)
"""For int8 arithmetic: weak objects may go, sure ones must stay where they are."""

SAME_OBJECT = 0.5
"""Intersection over union from which two boxes of a class are looked at as one object."""

NEAR_EQUAL = 1e-3
"""Distance of two scores whose order may change."""


def disagreement(
    found_rows: npt.NDArray[np.float32], wanted_rows: npt.NDArray[np.float32], tolerance: Tolerance
) -> str:
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
    problem = _judged(found_rows, wanted_rows, tolerance, _nearest_first)
    if not problem:
        return ""
    # Among objects that all but cover each other, the nearest ones need not belong together.
    return _judged(found_rows, wanted_rows, tolerance, _best_in_all)


def _judged(
    found_rows: npt.NDArray[np.float32],
    wanted_rows: npt.NDArray[np.float32],
    tolerance: Tolerance,
    pair: _Pairing,
) -> str:
    floor = min(tolerance.floor, float(wanted_rows[:, :, 4].max(initial=0.0)) / 2)
    weak = _Weak()
    for image, (found, wanted) in enumerate(zip(found_rows, wanted_rows, strict=True)):
        partner = _partners(found, wanted, tolerance, pair)
        problem = _compare(found, wanted, partner, floor, tolerance, weak)
        if problem:
            return f"image {image}: {problem}"
    return weak.problem(tolerance.lost)


@dataclass(slots=True)
class _Weak:
    """Counts, over all images, of objects that are not sure."""

    golden: int = 0
    missing: int = 0
    new: int = 0

    def problem(self, share: float) -> str:
        allowed = int(share * self.golden)
        if self.missing > allowed:
            return (
                f"{self.missing} of {self.golden} weak objects are missing or elsewhere, "
                f"{allowed} may be"
            )
        if self.new > allowed:
            return f"{self.new} weak objects are new to {self.golden}, {allowed} may be"
        return ""


def _compare(
    found: npt.NDArray[np.float32],
    wanted: npt.NDArray[np.float32],
    partner: dict[int, int],
    floor: float,
    tolerance: Tolerance,
    weak: _Weak,
) -> str:
    """Compares one image: (M, 6) with (M, 6); counts what is weak."""
    least = max(floor, _cut_off(found, wanted))
    sure = max(least, tolerance.sure)
    for index in np.flatnonzero(wanted[:, 4] > least).tolist():
        row = wanted[index]
        if index in partner:
            problem = _distance(found[partner[index]], row, tolerance)
        else:
            problem = f"{_named(row)} is missing"
        if problem and row[4] > sure:
            return problem
        weak.golden += row[4] <= sure
        weak.missing += bool(problem)
    least = max(floor, _cut_off(wanted, found))
    sure = max(least, tolerance.sure)
    for index in set(np.flatnonzero(found[:, 4] > least).tolist()) - set(partner.values()):
        if found[index, 4] > sure:
            return f"{_named(found[index])} is not among the golden rows"
        weak.new += 1
    return ""


def _cut_off(full: npt.NDArray[np.float32], judged: npt.NDArray[np.float32]) -> float:
    """Score up to which objects of `judged` may have found no room in the other table.

    Of near-equal objects, another one may have taken the last row; the better half always counts.
    """
    weakest = float(full[:, 4].min(initial=np.inf))
    scores = judged[judged[:, 4] > 0, 4]
    if not 0 < weakest < np.inf or not len(scores):
        return 0.0
    return min(weakest + NEAR_EQUAL, float(np.median(scores)) - NEAR_EQUAL)


def _partners(
    found: npt.NDArray[np.float32],
    wanted: npt.NDArray[np.float32],
    tolerance: Tolerance,
    pair: _Pairing,
) -> dict[int, int]:
    """Which found row is which wanted row: same class, near in place and score."""
    here, there = np.flatnonzero(wanted[:, 4] > 0), np.flatnonzero(found[:, 4] > 0)
    if not len(here) or not len(there):
        return {}
    one, other = wanted[here].astype(np.float64), found[there].astype(np.float64)
    overlap = _overlap(one[:, :4], other[:, :4])
    nearness = 1.0 - _edges(one, other) / _allowed(one, tolerance)[:, None]
    possible = (one[:, None, 5] == other[None, :, 5]) & (
        (overlap >= SAME_OBJECT) | (nearness >= 0.0)
    )
    likeness = np.maximum(overlap, nearness) + 1.0 - np.abs(one[:, None, 4] - other[None, :, 4])
    pairs = pair(np.where(possible, likeness, 0.0))
    return {int(here[row]): int(there[column]) for row, column in pairs if possible[row, column]}


def _nearest_first(likeness: _Distances) -> list[tuple[int, int]]:
    """Pairs of (A, B), the likest ones first; 0 stands for no likeness at all."""
    rows: set[int] = set()
    columns: set[int] = set()
    pairs = []
    for index in np.argsort(-likeness, axis=None, kind="stable").tolist():
        row, column = divmod(index, likeness.shape[1])
        if likeness[row, column] <= 0.0 or len(rows) == min(likeness.shape):
            break
        if row not in rows and column not in columns:
            rows.add(row)
            columns.add(column)
            pairs.append((row, column))
    return pairs


def _best_in_all(likeness: _Distances) -> list[tuple[int, int]]:
    """Pairs of (A, B) whose likeness is largest together."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(likeness, maximize=True)
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def _edges(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> _Distances:
    """Largest distance between two edges: (A, 6) and (B, 6) rows → (A, B)."""
    distance: _Distances = np.abs(one[:, None, :4] - other[None, :, :4]).max(axis=2)
    return distance


def _allowed(rows: npt.NDArray[np.float64], tolerance: Tolerance) -> _Distances:
    """What an edge of each row (A, 6) may be off → (A,), in pixels."""
    side = (rows[:, 2:4] - rows[:, :2]).max(axis=1, initial=0.0)
    allowed: _Distances = np.maximum(tolerance.box_px, tolerance.box_share * side)
    return allowed


def _overlap(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> _Distances:
    """Intersection over union of (A, 4) and (B, 4) boxes → (A, B)."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = np.clip(high - low, 0.0, None).prod(axis=2)
    area = [np.clip(boxes[:, 2:] - boxes[:, :2], 0.0, None).prod(axis=1) for boxes in (one, other)]
    union = area[0][:, None] + area[1][None, :] - shared
    share: _Distances = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return share


def _distance(
    found: npt.NDArray[np.float32], wanted: npt.NDArray[np.float32], tolerance: Tolerance
) -> str:
    one, other = wanted[None].astype(np.float64), found[None].astype(np.float64)
    pixels, allowed = _edges(one, other).item(), _allowed(one, tolerance).item()
    if pixels > allowed:
        return f"the box of {_named(wanted)} is {pixels:.4g} px off, {allowed:.4g} may be"
    score = abs(float(found[4]) - float(wanted[4]))
    if score > tolerance.score:
        return f"the score of {_named(wanted)} is {score:.4g} off, {tolerance.score:g} may be"
    return ""


def _named(row: npt.NDArray[np.float32]) -> str:
    x1, y1, x2, y2, score, label = (float(value) for value in row)
    return f"class {label:g} with score {score:.3f} at [{x1:.0f}, {y1:.0f}, {x2:.0f}, {y2:.0f}]"

"""`Detections` of one frame as arrays, a single `Box`, and how to match them.

The one place for intersection over union and for one-to-one matching of boxes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.floating[Any]]
Rows = npt.NDArray[np.float32]
"""Output of a model: (M, 6) of one image or (K, M, 6) of several: x1 y1 x2 y2 score class."""

ClassScores = npt.NDArray[np.float32]
"""(labels,) scores by class id, 0..1."""

_TINY = np.finfo(np.float64).tiny

SHIFT = 0.3
"""How far both sides of a box must go to show that it moved, in widths or heights of the box."""


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Detections of one frame, best score first.

    Attributes:
        boxes: (N, 4) float32, x1 y1 x2 y2 in pixels of the analysis image.
        scores: (N,) float32 in 0..1.
        class_ids: (N,) int64, rows of the package's `labels.txt`.
    """

    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    class_ids: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        count = len(self.scores)
        if self.boxes.shape != (count, 4) or self.class_ids.shape != (count,):
            raise ValueError(
                f"detections do not line up: boxes {self.boxes.shape}, "
                f"scores {self.scores.shape}, class ids {self.class_ids.shape}"
            )

    def __len__(self) -> int:
        return len(self.scores)

    @classmethod
    def from_rows(cls, rows: Rows, threshold: float | ClassScores = 0.0) -> Detections:
        """Reads one image's model output.

        Args:
            rows: (M, 6) float32: x1, y1, x2, y2, score, class; padding rows have score 0.
            threshold: Rows with a score at or below it are left out (padding always is); one
                for all classes, or one by class id.
        """
        limits = threshold
        if isinstance(threshold, np.ndarray):
            # A network may give any class; which one it is, is checked where it matters.
            limits = threshold.take(rows[:, 5].astype(np.int64), mode="clip")
        # Without what is not a number.
        best = rows[rows[:, 4] > np.maximum(limits, 0.0, dtype=np.float32)]
        best = best[np.argsort(-best[:, 4], kind="stable")]
        return cls(
            boxes=best[:, :4].astype(np.float32),
            scores=best[:, 4].astype(np.float32),
            class_ids=best[:, 5].astype(np.int64),
        )

    def above(self, thresholds: ClassScores) -> Detections:
        """Those whose score is above the threshold of their class, given by class id."""
        return self.where(self.scores > thresholds[self.class_ids])

    def where(self, mask: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Detections:
        """The detections for which `mask` (N,) is true, or those of some rows (K,)."""
        return Detections(self.boxes[mask], self.scores[mask], self.class_ids[mask])


def pairwise_iou(
    first: Boxes, second: Boxes, crowd: npt.NDArray[np.bool_] | None = None
) -> npt.NDArray[np.float64]:
    """Intersection over union (IoU) of (N, 4) with (M, 4) boxes x1 y1 x2 y2: (N, M).

    Args:
        first: Detections, where it matters.
        second: Objects.
        crowd: (M,) bool; where true, the share of `first` that lies inside instead of the IoU.
    """
    # One coordinate after the other, each without gaps in memory.
    one, other = (boxes.T.astype(np.float64, "C", copy=False) for boxes in (first, second))
    near = np.maximum(one[:2, :, None], other[:2, None])
    sides = np.minimum(one[2:, :, None], other[2:, None])
    sides -= near
    np.maximum(sides, 0.0, out=sides)
    common = sides[0] * sides[1]
    own, others = (np.multiply(*np.maximum(box[2:] - box[:2], 0.0)) for box in (one, other))
    union = np.add.outer(own, others)
    union -= common
    if crowd is not None:
        union = np.where(crowd, own[:, None], union)
    np.maximum(union, _TINY, out=union)
    share: npt.NDArray[np.float64] = np.divide(common, union, out=common)
    return share


def areas(boxes: Boxes) -> npt.NDArray[np.float64]:
    """Areas of (N, 4) boxes x1 y1 x2 y2: (N,)."""
    sides = np.maximum(boxes[:, 2:].astype(np.float64) - boxes[:, :2], 0)
    area: npt.NDArray[np.float64] = sides[:, 0] * sides[:, 1]
    return area


def matched_pairs(
    similarity: npt.NDArray[np.float64], at_least: float, *, optimal: bool = False
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Matches two sets of objects one to one.

    Args:
        similarity: (N, M), for example from `pairwise_iou`.
        at_least: Less similar objects are never matched; above 0.
        optimal: Maximise the sum of the similarities. Otherwise the most similar pair is taken
            first, then the most similar one of the rest, and so on.

    Returns:
        (K,) rows and (K,) columns of the pairs; in the greedy order the most similar comes first.
    """
    table = np.where(similarity >= at_least, similarity, 0.0)
    if optimal:
        from scipy.optimize import linear_sum_assignment

        rows, columns = linear_sum_assignment(table, maximize=True)
    else:
        rows, columns = np.nonzero(table)
        order = np.argsort(-table[rows, columns], kind="stable")
        rows, columns = rows[order], columns[order]
    free_rows, free_columns = set(rows.tolist()), set(columns.tolist())
    pairs = []
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        if row in free_rows and column in free_columns and table[row, column] > 0.0:
            free_rows.remove(row)
            free_columns.remove(column)
            pairs.append((row, column))
    rows, columns = np.array(pairs, np.int64).reshape(-1, 2).T
    return rows, columns


class Box(NamedTuple):
    """A rectangle in normalised image coordinates: 0..1, origin top left."""

    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def foot(self) -> tuple[float, float]:
        """Bottom centre: where the object stands on the ground."""
        return (self.x1 + self.x2) / 2, self.y2

    @property
    def centre(self) -> tuple[float, float]:
        """Middle of the box."""
        return (self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2

    def towards(self, other: Box, share: float) -> Box:
        """The box that lies a share of the way (0..1) to another."""
        return Box(
            self.x1 + share * (other.x1 - self.x1),
            self.y1 + share * (other.y1 - self.y1),
            self.x2 + share * (other.x2 - self.x2),
            self.y2 + share * (other.y2 - self.y2),
        )


def common_area(one: Box, other: Box) -> float:
    """Share of the image that two boxes both cover."""
    x1, y1, x2, y2 = one
    left, top, right, bottom = other
    width = min(x2, right) - max(x1, left)
    if width <= 0.0:
        return 0.0
    height = min(y2, bottom) - max(y1, top)
    return width * height if height > 0.0 else 0.0


def common_share(one: Box, other: Box) -> float:
    """Share of the smaller of two boxes that is in the other one, 0..1."""
    smaller = min(common_area(box, box) for box in (one, other))
    return common_area(one, other) / max(smaller, 1e-12)


def is_covered(box: Box, others: Iterable[Box], share: float) -> bool:
    """Whether one of the others covers at least that share of a box."""
    least = share * common_area(box, box)
    return any(common_area(box, other) >= least for other in others)


def box_iou(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, 0..1."""
    common = common_area(one, other)
    if common <= 0.0:
        return 0.0
    x1, y1, x2, y2 = one
    left, top, right, bottom = other
    union = (x2 - x1) * (y2 - y1) + (right - left) * (bottom - top) - common
    return common / union


def box_has_moved(before: Box, now: Box) -> bool:
    """Whether a box has moved as a whole, by `SHIFT`: one that is half covered keeps an edge."""
    width, height = before.x2 - before.x1, before.y2 - before.y1
    left, right = now.x1 - before.x1, now.x2 - before.x2
    top, bottom = now.y1 - before.y1, now.y2 - before.y2
    return (
        min(left, right) > SHIFT * width
        or max(left, right) < -SHIFT * width
        or min(top, bottom) > SHIFT * height
        or max(top, bottom) < -SHIFT * height
    )


@lru_cache(maxsize=4096)
def plain_label(name: str) -> str:
    """The spelling in which class names are compared: `Bin bag` → `bin_bag`."""
    return "_".join(name.lower().replace("-", " ").replace("_", " ").split())


def thresholds_by_class(
    labels: Sequence[str], default: float, classes: Mapping[str, float]
) -> ClassScores:
    """The threshold of each class: its own one, or the general one. Never to be written to.

    Args:
        labels: Class names by class id.
        default: That of every class without one of its own.
        classes: By class name, however spelled; names that are not among the labels are ignored.
    """
    own = {plain_label(name): score for name, score in classes.items()}
    found = np.array([own.get(plain_label(label), default) for label in labels], np.float32)
    found.flags.writeable = False
    return found

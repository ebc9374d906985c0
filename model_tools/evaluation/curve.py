"""Precision over recall: average precision, and what a score threshold gives.

Precision is made monotone and sampled at 101 recall levels, as COCO does it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import BeforeValidator, PlainSerializer

Measure = Annotated[
    float,
    BeforeValidator(lambda value: math.nan if value is None else value),
    PlainSerializer(lambda value: None if math.isnan(value) else value, return_type=float | None),
]
"""A number, or not a number where there is nothing to measure; null in JSON."""

RECALL_LEVELS = np.linspace(0.0, 1.0, 101)


def mean_of_known(values: Iterable[float]) -> float:
    """Mean of the values that are numbers; not a number if none is."""
    known = [one for one in values if not math.isnan(one)]
    return float(np.mean(known)) if known else math.nan


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """Precision and recall of the detections above a threshold.

    Attributes:
        threshold: Detections with a score at or below it are dropped.
        precision: Share of right ones among the rest; not a number where nothing is left.
        recall: Share of the objects that are found.
    """

    threshold: Measure
    precision: Measure
    recall: Measure

    @property
    def f1(self) -> float:
        """Harmonic mean of the two; 0 where nothing is left, no number where nothing is to find."""
        if math.isnan(self.recall):
            return math.nan
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total > 0 else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Detections of one class that count, best score first.

    Attributes:
        scores: (D,) float32, descending.
        right: (D,) bool.
        objects: How many there are to find.
    """

    scores: npt.NDArray[np.float32]
    right: npt.NDArray[np.bool_]
    objects: int

    @property
    def average_precision(self) -> float:
        """0 to 1; not a number where there is nothing to find."""
        if not self.objects:
            return float("nan")
        found = np.cumsum(self.right)
        precision = found / np.arange(1, len(found) + 1)
        best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
        reached = np.searchsorted(found / self.objects, RECALL_LEVELS, side="left")
        return float(np.append(best_from_here, 0.0)[reached].mean())

    @property
    def recall(self) -> float:
        """Share of the objects found at any score; not a number where there is nothing to find."""
        return float(self.right.sum() / self.objects) if self.objects else float("nan")

    def at(self, threshold: float) -> OperatingPoint:
        """What is left above a threshold."""
        return self._first(int((self.scores > threshold).sum()), threshold)

    @property
    def best(self) -> OperatingPoint:
        """The threshold with the greatest F1, half-way between two scores."""
        if not self.objects or not self.right.any():
            return self._first(0, float("nan"))
        # A threshold cannot part equal scores.
        ends = np.flatnonzero(np.diff(self.scores, append=-1.0) < 0)
        found = np.cumsum(self.right)[ends]
        place = int(np.argmax(found / (ends + 1 + self.objects)))
        lower = self.scores[ends[place] + 1] if place + 1 < len(ends) else 0.0
        threshold = (float(self.scores[ends[place]]) + float(lower)) / 2
        return self._first(int(ends[place]) + 1, threshold)

    def _first(self, count: int, threshold: float) -> OperatingPoint:
        right = int(self.right[:count].sum())
        return OperatingPoint(
            threshold=threshold,
            precision=right / count if count and self.objects else float("nan"),
            recall=right / self.objects if self.objects else float("nan"),
        )

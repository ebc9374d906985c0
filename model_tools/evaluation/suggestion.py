"""`ThresholdSuggestion`: the confidence threshold of a class that labelled images speak for.

A threshold that is best on some images is partly best by chance. So it is chosen again and again on
images that are drawn with replacement (Efron and Tibshirani, "An Introduction to the Bootstrap",
1993): the suggestion is the median of the choices, their spread is shown beside it, and it counts
only if the choices were better than the present threshold on the images that were not drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from model_tools.evaluation.curve import Curve, Measure, OperatingPoint
from model_tools.evaluation.matching import MatchCriteria, match_detections
from model_tools.evaluation.truth import GroundTruth
from models.detections import Detections

LEAST_OBJECTS: Final = 30
LEAST_IMAGES: Final = 8
"""With fewer labelled objects of a class, or on fewer images, nothing is suggested."""

RESAMPLES: Final = 400
SEED: Final = 20_240_517
SPREAD: Final = (0.1, 0.9)
BETTER: Final = 2 / 3
"""In so many of the resamples a choice must have been better than the present threshold: twice as
often as not. Where the present one is the best there is, about one time in eight it is left."""

SAFE: Final = 0.8
"""For a wanted precision: so many of the resamples would have taken the suggestion, or less."""

GRID: Final = np.arange(1, 100) / 100
"""The thresholds that are tried."""

_CRITERIA: Final = MatchCriteria((0.5,), most=100)
_Numbers = npt.NDArray[np.float64]
_NOTHING: Final = OperatingPoint(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True, slots=True)
class ThresholdSuggestion:
    """What labelled images say about the threshold of one class, at IoU 0.50.

    Attributes:
        label: Class name.
        objects: Labelled objects of it.
        images: Images that show one.
        present: The threshold that it has, and what that gives.
        suggested: The threshold that is suggested, and what it gives on all images; a threshold
            that is not a number where none is.
        least: The least threshold that was chosen, but for a tenth of the resamples.
        greatest: The greatest one likewise.
        gain: F1 of what was chosen less F1 of the present threshold, on images that were not drawn:
            the median of the resamples.
        better: Share of the resamples in which it was better there.
        reason: Why the present threshold stays; empty where another one is suggested.
    """

    label: str
    objects: int
    images: int
    present: OperatingPoint
    suggested: OperatingPoint
    least: Measure = float("nan")
    greatest: Measure = float("nan")
    gain: Measure = float("nan")
    better: Measure = float("nan")
    reason: str = ""


def suggest_thresholds(
    found: Sequence[Detections],
    real: Sequence[GroundTruth],
    labels: Sequence[str],
    present: Sequence[float],
    classes: Sequence[int],
    precision: float | None = None,
) -> tuple[ThresholdSuggestion, ...]:
    """Suggests a threshold for some classes.

    Args:
        found: Detections of each image, down to very low scores.
        real: Objects of each image, in the same order and class numbering.
        labels: Class names; row = class id.
        present: The threshold of each class.
        classes: Class ids that the images label.
        precision: Suggest the least threshold with this precision; that of the best F1 if None.
    """
    return tuple(
        _suggested(labels[one], _per_image(found, real, one), float(present[one]), precision)
        for one in classes
    )


class _Counts(NamedTuple):
    """What K samples of images count.

    Attributes:
        right: (K, T) right detections above each threshold of the grid.
        wrong: (K, T) wrong ones.
        objects: (K,).
    """

    right: _Numbers
    wrong: _Numbers
    objects: _Numbers

    @property
    def f1(self) -> _Numbers:
        """(K, T)."""
        total = self.right + self.wrong + self.objects[:, None]
        share: _Numbers = 2 * self.right / np.maximum(total, 1)
        return share

    @property
    def precision(self) -> _Numbers:
        """(K, T); 0 where nothing is found."""
        share: _Numbers = self.right / np.maximum(self.right + self.wrong, 1)
        return share

    def of(self, weights: _Numbers) -> _Counts:
        """Sums over samples that are drawn `weights` (B, K) times."""
        return _Counts(weights @ self.right, weights @ self.wrong, weights @ self.objects)


def _per_image(found: Sequence[Detections], real: Sequence[GroundTruth], label: int) -> list[Curve]:
    pairs = zip(found, real, strict=True)
    return [match_detections([one], [there], label, _CRITERIA).curve() for one, there in pairs]


def _suggested(
    label: str, images: Sequence[Curve], present: float, precision: float | None
) -> ThresholdSuggestion:
    shown = sum(one.objects > 0 for one in images)
    every = _joined(images)
    known = ThresholdSuggestion(label, every.objects, shown, every.at(present), _NOTHING)
    if every.objects < LEAST_OBJECTS or shown < LEAST_IMAGES:
        reason = (
            f"too few: {every.objects} objects on {shown} images, "
            f"{LEAST_OBJECTS} on {LEAST_IMAGES} are needed"
        )
        return _kept(known, reason)
    counts = _Counts(
        np.stack([_above(one.scores[one.right]) for one in images]),
        np.stack([_above(one.scores[~one.right]) for one in images]),
        np.array([one.objects for one in images], np.float64),
    )
    rng = np.random.default_rng(SEED)
    drawn = rng.multinomial(len(images), np.full(len(images), 1 / len(images)), RESAMPLES)
    chosen = _choices(counts.of(drawn.astype(np.float64)), precision)
    usable = ~np.isnan(chosen)
    if np.count_nonzero(usable) < SAFE * RESAMPLES:
        return _kept(known, f"no threshold reaches a precision of {precision:g}")
    left_out = counts.of((drawn[usable] == 0).astype(np.float64))
    chosen = chosen[usable]
    gains = _at(left_out, chosen) - _at(left_out, np.full(len(chosen), present))
    least, greatest = np.quantile(chosen, SPREAD, method="nearest")
    middle = np.median(chosen) if precision is None else np.quantile(chosen, SAFE)
    result = replace(
        known,
        suggested=every.at(round(float(middle), 2)),
        least=float(least),
        greatest=float(greatest),
        gain=float(np.median(gains)),
        better=float(np.mean(gains > 0)),
    )
    if precision is None and result.better < BETTER:
        reason = (
            f"about {result.suggested.threshold:g} was better in {result.better:.0%} of the "
            f"resamples, on images that were not drawn; {BETTER:.0%} are needed"
        )
        return _kept(result, reason)
    return result


def _above(scores: npt.NDArray[np.float32]) -> _Numbers:
    """How many of some scores, best first, are above each threshold of the grid: (T,)."""
    limits = GRID.astype(np.float32)
    return (len(scores) - np.searchsorted(scores[::-1], limits, side="right")).astype(np.float64)


def _kept(one: ThresholdSuggestion, reason: str) -> ThresholdSuggestion:
    return replace(one, suggested=_NOTHING, reason=reason)


def _joined(images: Sequence[Curve]) -> Curve:
    scores = np.concatenate([one.scores for one in images])
    order = np.argsort(-scores, kind="stable")
    right = np.concatenate([one.right for one in images])
    return Curve(scores[order], right[order], sum(one.objects for one in images))


def _choices(counts: _Counts, precision: float | None) -> _Numbers:
    """The best threshold of each sample (K,); not a number where there is none."""
    good = counts.f1 >= counts.f1.max(axis=1, keepdims=True) - 1e-12
    if precision is not None:
        good = (counts.precision >= precision) & (counts.right > 0)
    first = good.argmax(axis=1)
    # Between two scores every threshold does the same: the middle one is farthest from both.
    same = counts.right + counts.wrong
    level = np.take_along_axis(same, first[:, None], axis=1)
    last = first + (good & (same == level)).sum(axis=1) - 1
    chosen: _Numbers = (GRID[first] + GRID[np.maximum(last, first)]) / 2
    chosen[~good.any(axis=1)] = np.nan
    return chosen


def _at(counts: _Counts, thresholds: _Numbers) -> _Numbers:
    """F1 of each sample (K,) at its own threshold."""
    columns = np.clip(np.searchsorted(GRID, thresholds - 1e-9), 0, len(GRID) - 1)
    at: _Numbers = np.take_along_axis(counts.f1, columns[:, None], axis=1)[:, 0]
    return at

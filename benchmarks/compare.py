"""Compares two results: what changed, and whether by more than the rounds spread.

Method: of each metric the median of both results, and the 99 % interval of the ratio of the
medians by a percentile bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
chapter 13): the samples of each result are drawn again with replacement, many times, always with
the same seed. A difference counts where the interval leaves out 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from benchmarks.result import BenchmarkResult, Metric

RESAMPLES: Final = 4000
INTERVAL: Final = (0.5, 99.5)
FEWEST_SAMPLES: Final = 5
"""With fewer samples the interval is too narrow: it calls chance a change too often."""


class Effect(StrEnum):
    """What became of a metric."""

    BETTER = "better"
    WORSE = "worse"
    WITHIN_SPREAD = "within the spread"
    TOO_FEW = "too few samples"


@dataclass(frozen=True, slots=True)
class MetricChange:
    """A metric in two results.

    Attributes:
        before: The metric in the first result.
        after: The metric in the second one.
        percent: Change of the median in percent of the first one.
        low: Lower end of the interval of that change, in percent.
        high: Upper end.
        change: What it means.
    """

    before: Metric
    after: Metric
    percent: float
    low: float
    high: float
    change: Effect


@dataclass(frozen=True, slots=True)
class ResultComparison:
    """All metrics that two results share.

    Attributes:
        changes: In the order of the first result.
        only_before: Names that only the first has.
        only_after: Names that only the second has.
        warnings: Why the results may not be comparable; empty if nothing speaks against it.
    """

    changes: tuple[MetricChange, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def worse(self) -> bool:
        """Whether a metric became worse by more than its spread."""
        return any(one.change is Effect.WORSE for one in self.changes)


def compare(before: BenchmarkResult, after: BenchmarkResult) -> ResultComparison:
    """Compares the metrics that have the same name."""
    later = {one.name: one for one in after.metrics}
    names = {one.name for one in before.metrics}
    return ResultComparison(
        changes=tuple(
            metric_change(one, later[one.name]) for one in before.metrics if one.name in later
        ),
        only_before=tuple(one.name for one in before.metrics if one.name not in later),
        only_after=tuple(one.name for one in after.metrics if one.name not in names),
        warnings=tuple(_warnings(before, after)),
    )


def metric_change(before: Metric, after: Metric) -> MetricChange:
    """Compares one metric; see the module for the method."""
    if not before.median:
        low = high = percent = 0.0 if not after.median else float("inf")
    else:
        percent = 100 * (after.median / before.median - 1)
        low, high = _interval(before.samples, after.samples)
    if min(len(before.samples), len(after.samples)) < FEWEST_SAMPLES:
        change = Effect.TOO_FEW
    elif low <= 0 <= high:
        change = Effect.WITHIN_SPREAD
    else:
        change = Effect.BETTER if (percent > 0) == (before.better == "higher") else Effect.WORSE
    return MetricChange(before, after, percent, low, high, change)


def _interval(before: tuple[float, ...], after: tuple[float, ...]) -> tuple[float, float]:
    """Ends of the 99 % interval of the change of the median, in percent."""
    rng = np.random.default_rng(0)
    medians = [
        np.median(rng.choice(np.asarray(samples), (RESAMPLES, len(samples))), axis=1)
        for samples in (before, after)
    ]
    kept = medians[0] != 0
    low, high = np.percentile(100 * (medians[1][kept] / medians[0][kept] - 1), INTERVAL)
    return float(low), float(high)


def _warnings(before: BenchmarkResult, after: BenchmarkResult) -> list[str]:
    warnings = []
    if before.benchmark != after.benchmark:
        warnings.append(f"two benchmarks: {before.benchmark} and {after.benchmark}")
    warnings += [f"two machines: {one}" for one in before.machine.differences(after.machine)]
    keys = sorted({*before.settings, *after.settings})
    warnings += [
        f"two settings of {key}: {before.settings.get(key)} and {after.settings.get(key)}"
        for key in keys
        if before.settings.get(key) != after.settings.get(key)
    ]
    for name, result in (("first", before), ("second", after)):
        load = result.load_before
        if not load.quiet:
            warnings.append(f"the {name} result: {load.busy:.0%} of the cores were busy before it")
    return warnings

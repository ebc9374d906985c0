"""Geometry of a chart of hours, in per cent of its box, so that it fits any screen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

HOUR: Final = timedelta(hours=1)
TICKS: Final = 3
STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class HourValue:
    """What was measured in an hour; `value` is None where nothing was watched."""

    begins_at: datetime
    value: float | None
    most: float


@dataclass(frozen=True, slots=True)
class HourChart:
    """A chart.

    Attributes:
        lines: Stretches without a gap, each as the points of an SVG polyline, 0 to 100.
        areas: The same, closed at the bottom.
        ticks: Values at the left and how far from the top they stand, per cent.
        hours: Times below and how far from the left they stand, per cent.
    """

    lines: tuple[str, ...]
    areas: tuple[str, ...]
    ticks: tuple[tuple[float, float], ...]
    hours: tuple[tuple[datetime, float], ...]


def hour_chart(
    values: Sequence[HourValue], begins_at: datetime, hours: int, every: int
) -> HourChart:
    """The chart of some hours.

    Args:
        values: Oldest first; hours that are not among them are gaps.
        begins_at: The first hour of the chart.
        hours: How many it has.
        every: Hours between two times that are written below.
    """
    top = _top(max((one.value for one in values if one.value is not None), default=0.0))
    stretches: list[list[tuple[float, float]]] = []
    expected: datetime | None = None
    for one in values:
        if one.value is None:
            expected = None
            continue
        x = (one.begins_at - begins_at) / HOUR / hours * 100
        y = 100 - one.value / top * 100
        # Each hour is as wide as it was long: one alone is seen too.
        width = 100 / hours
        ends = [(x, y), (x + width, y)]
        if stretches and expected == one.begins_at:
            stretches[-1] += ends
        else:
            stretches.append(ends)
        expected = one.begins_at + HOUR
    ticks = tuple((top * part / TICKS, 100 - 100 * part / TICKS) for part in range(TICKS + 1))
    times = tuple(
        (begins_at + number * HOUR, number / hours * 100) for number in range(0, hours, every)
    )
    return HourChart(
        lines=tuple(_points(one) for one in stretches),
        areas=tuple(_points([(one[0][0], 100), *one, (one[-1][0], 100)]) for one in stretches),
        ticks=ticks,
        hours=times,
    )


def _top(greatest: float) -> float:
    """A round value that is not below the greatest, in three round steps."""
    if greatest <= 0:
        return float(TICKS)
    step = greatest / TICKS
    power = 10.0 ** math.floor(math.log10(step))
    return TICKS * power * next(one for one in STEPS if one * power >= step * (1 - 1e-9))


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in places)

"""`FreeFlow`: how fast traffic drives at a place when nothing holds it up, learned there.

Free flow is the 85th percentile of the speeds of vehicles that passed without a stop (the usual
"85th percentile speed" of traffic engineering: Federal Highway Administration, "Methods and
Practices for Setting Speed Limits", 2012). Without calibration speeds are box heights per second,
which differ two to three times between near and far, and more between who drives across the image
and who drives into its depth, so that each depth and each way has its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pipelines.rules.zone_geometry import Vector

FREE_FLOW_PERCENTILE: Final = 0.85

MIN_SAMPLES: Final = 20
"""So many vehicles must have passed before free flow is known at a depth."""

SLOW_MPS, SLOW_BOXES = 1.5, 0.4
MIN_SLOW_SAMPLES: Final = 200
"""A free flow below this is more likely a queue that creeps, and takes so many vehicles."""

MAX_SAMPLES: Final = 600
"""From then on older vehicles count half, so that a place that changes is learned anew."""

DEPTHS: Final = 10
"""Depths are parts of the image's height."""

WAYS: Final = 4
"""A way is a direction in the image, to and fro, within an eighth of a circle to both sides."""

NEAR_DEPTHS: Final = 2
"""A depth that is not known yet takes over from one that is no further than this."""

LEAST_COUNT: Final = 0.01
"""What has been halved to less is not remembered."""

SLOWEST: Final = 0.05
STEP: Final = 1.1
BINS: Final = 80
"""Speeds are counted in bins, each 10 % wide: from 0.05 to 93, m/s or box heights per second."""


Course = tuple[int, int]
"""Number of a depth and of a way."""


class FreeFlow:
    """The speeds of one zone. Not thread-safe."""

    def __init__(self, *, calibrated: bool) -> None:
        """On a calibrated camera speeds are m/s, and all depths and ways are one."""
        self._depths, self._ways = (1, 1) if calibrated else (DEPTHS, WAYS)
        self._slow = SLOW_MPS if calibrated else SLOW_BOXES
        self._bins: dict[Course, list[float]] = {}
        self._known: dict[tuple[Course, bool], float | None] = {}
        """What `at` has answered since anything was learned; it is asked for in every frame."""

    def course(self, y: float, velocity: Vector) -> Course:
        """The depth and the way of a vehicle.

        Args:
            y: Its foot in shares of the image's height.
            velocity: How it moves, in any unit.
        """
        depth = min(max(math.floor(y * self._depths), 0), self._depths - 1)
        turned = math.atan2(velocity[1], velocity[0]) / math.pi * self._ways
        return depth, round(turned) % self._ways

    def learn(self, course: Course, speed: float) -> None:
        """Counts a vehicle that passed without a stop."""
        if not speed > 0:
            return
        bins = self._bins.setdefault(course, [0.0] * BINS)
        index = round(math.log(speed / SLOWEST) / math.log(STEP))
        bins[min(max(index, 0), BINS - 1)] += 1.0
        self._known.clear()
        if sum(bins) >= MAX_SAMPLES:
            self._bins[course] = [count / 2 for count in bins]

    def at(self, course: Course, *, any_way: bool = False) -> float | None:
        """Free flow there, m/s or box heights per second; None while it is not known.

        Args:
            course: Depth and way.
            any_way: For a vehicle that stands, whose way nobody knows.
        """
        question = course, any_way
        if question not in self._known:
            self._known[question] = self._found(course, any_way=any_way)
        return self._known[question]

    def _found(self, course: Course, *, any_way: bool) -> float | None:
        depth, way = course
        known = [
            (abs(other - depth), other, its_way)
            for (other, its_way), bins in self._bins.items()
            if (any_way or its_way == way)
            and abs(other - depth) <= NEAR_DEPTHS
            and sum(bins) >= MIN_SAMPLES
        ]
        if not known:
            return None
        _, *nearest = min(known)
        bins = self._bins[nearest[0], nearest[1]]
        speed = _percentile(bins)
        return speed if speed >= self._slow or sum(bins) >= MIN_SLOW_SAMPLES else None

    def remember(self) -> dict[str, list[float]]:
        """The bins that are not empty by depth and way: index, count, index, count."""
        return {
            f"{depth} {way}": [
                round(value, 3)
                for index, count in enumerate(bins)
                if count >= LEAST_COUNT
                for value in (float(index), count)
            ]
            for (depth, way), bins in self._bins.items()
        }

    def recall(self, memory: Mapping[str, Sequence[Any]]) -> None:
        """Takes what `remember` gave.

        Raises:
            ValueError: It is no such thing.
        """
        recalled: dict[Course, list[float]] = {}
        for name, pairs in memory.items():
            depth, way = (int(number) for number in name.split())
            if not (0 <= depth < self._depths and 0 <= way < self._ways) or len(pairs) % 2:
                raise ValueError(f"there is no depth and way {name} with {len(pairs)} numbers")
            bins = recalled[depth, way] = [0.0] * BINS
            for index, count in zip(pairs[::2], pairs[1::2], strict=True):
                if not (0 <= int(index) < BINS and 0 <= float(count) <= MAX_SAMPLES):
                    raise ValueError(f"depth and way {name} have {count} in bin {index}")
                bins[int(index)] = float(count)
        self._bins = recalled
        self._known.clear()


def _percentile(bins: list[float]) -> float:
    left = FREE_FLOW_PERCENTILE * sum(bins)
    for index, count in enumerate(bins):
        left -= count
        if left <= 0:
            return SLOWEST * STEP**index
    return SLOWEST * STEP ** (BINS - 1)

"""`SlowRoad`: since when traffic has been slow at each place of the road.

Time is kept by the place and not by the vehicle: in a queue that creeps every vehicle is soon gone,
and the place stays slow. At a light every place that a queue covered is passed by a vehicle that
drives, or is empty for a while, within each cycle. Places are cells of a grid over the image.
"""

from __future__ import annotations

import math
import statistics
from typing import Final, NamedTuple

from models.detections import Box

COLUMNS: Final = 64
ROWS: Final = 36

EMPTY_S: Final = 15.0
"""A place without a slow vehicle for so long is not slow any more: gaps in a queue that creeps are
shorter, and the time between two queues at a light is longer, seconds."""

BODY_SHARE: Final = 0.6
"""The lower part of a box covers about the ground on which the vehicle stands."""

MIDDLE: Final = 0.2
"""Left and right of its box a vehicle covers no ground of its own."""

WHEEL_SHARE: Final = 0.12
"""The lowest part of a box covers the ground on this driving lane only."""


class _Cells(NamedTuple):
    left: int
    top: int
    right: int
    bottom: int


class _Clock(NamedTuple):
    since_s: float
    seen_s: float


class SlowRoad:
    """The places of one zone."""

    def __init__(self) -> None:
        self._clocks: dict[tuple[int, int], _Clock] = {}

    def stand(self, box: Box, at_s: float) -> None:
        """Notes that a slow vehicle is here."""
        for cell in _covered(_cells(box, BODY_SHARE)):
            clock = self._clocks.get(cell)
            since_s = at_s if clock is None or at_s - clock.seen_s > EMPTY_S else clock.since_s
            self._clocks[cell] = _Clock(since_s, at_s)

    def drive(self, box: Box, before: Box) -> None:
        """Notes that a vehicle that drives came from `before` to `box`."""
        start, end = _cells(before, WHEEL_SHARE), _cells(box, WHEEL_SHARE)
        steps = max(1, *(abs(a - b) for a, b in zip(start, end, strict=True)))
        for step in range(steps + 1):
            share = step / steps
            between = _Cells(*(round(a + (b - a) * share) for a, b in zip(start, end, strict=True)))
            for cell in _covered(between):
                self._clocks.pop(cell, None)

    def since_s(self, box: Box, at_s: float) -> float:
        """Since when it has been slow where a vehicle is; now, where it has not been."""
        found = (self._clocks.get(cell) for cell in _covered(_cells(box, WHEEL_SHARE)))
        begun_s = [
            clock.since_s if clock and at_s - clock.seen_s <= EMPTY_S else at_s for clock in found
        ]
        return statistics.median(begun_s)

    def forget(self) -> None:
        """Begins anew, as after a time that nobody watched."""
        self._clocks.clear()

    def delay(self, by_s: float) -> None:
        """Does not count the last `by_s` seconds, in which nobody watched."""
        self._clocks = {
            cell: _Clock(clock.since_s + by_s, clock.seen_s + by_s)
            for cell, clock in self._clocks.items()
        }


def _cells(box: Box, share: float) -> _Cells:
    """The cells under the middle of the lowest part of a box."""
    x1, y1, x2, y2 = box
    inset, top = MIDDLE * (x2 - x1), y2 - share * (y2 - y1)
    return _Cells(
        _index(x1 + inset, COLUMNS),
        _index(top, ROWS),
        _index(x2 - inset, COLUMNS),
        _index(y2, ROWS),
    )


def _index(value: float, count: int) -> int:
    return min(max(math.floor(value * count), 0), count - 1)


def _covered(cells: _Cells) -> list[tuple[int, int]]:
    return [
        (column, row)
        for row in range(cells.top, cells.bottom + 1)
        for column in range(cells.left, cells.right + 1)
    ]

"""`GroundScale`: how many metres the image shows at a place, calibrated or estimated by people.

Without calibration a person on foot is taken for 1.7 m high, and heights are learned per row of the
image from those who walk there. Before anybody has walked, a thing is taken for half a metre.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from models.detections import Box
from pipelines.rules.zone_geometry import GroundPlane
from pipelines.track import Track

PERSON_M: Final = 1.7
THING_M: Final = 0.5

DEPTH_STRETCH: Final = 2.0
"""Without calibration: what lies behind is this much farther than the image shows (30° tilt)."""

ROWS: Final = 24
LEARN_SHARE: Final = 0.1
"""Weight of one more person in the usual height of a row."""

IMAGE_EDGE: Final = 0.99
UPRIGHT: Final = 1.3
"""Height over width of a person who stands or walks, at least."""


class GroundScale:
    """The scale of one zone."""

    def __init__(self, ground: GroundPlane | None) -> None:
        """Measures on `ground`, or by people where there is none."""
        self._ground = ground
        self._heights: dict[int, float] = {}

    def observe(self, persons: Iterable[Track]) -> None:
        """Learns how high people look; with a calibration there is nothing to learn."""
        if self._ground is not None:
            return
        for person in persons:
            x1, y1, x2, y2 = person.box
            height = y2 - y1
            is_cut = y2 >= IMAGE_EDGE or y1 <= 1 - IMAGE_EDGE
            if is_cut or person.rides or height < UPRIGHT * (x2 - x1) * person.aspect:
                continue
            row = int(y2 * ROWS)
            known = self._heights.get(row, height)
            self._heights[row] = known + LEARN_SHARE * (height - known)

    def metres_per_height(self, box: Box, aspect: float) -> float:
        """Metres that one image height is at the foot of a box."""
        width = (box.x2 - box.x1) * aspect
        if self._ground is not None:
            left = self._ground.metres((box.x1, box.y2))
            right = self._ground.metres((box.x2, box.y2))
            if left is not None and right is not None and width > 0:
                return math.dist(left, right) / width
        elif self._heights:
            row = min(self._heights, key=lambda one: abs(one + 0.5 - box.y2 * ROWS))
            return PERSON_M / self._heights[row]
        return THING_M / max(width, box.y2 - box.y1, 1e-6)

    def size_m(self, box: Box, aspect: float) -> tuple[float, float]:
        """Width and height of what a box shows, metres."""
        scale = self.metres_per_height(box, aspect)
        return (box.x2 - box.x1) * aspect * scale, (box.y2 - box.y1) * scale

    def distance_m(self, one: Box, other: Box, aspect: float) -> float:
        """Metres between the feet of two boxes."""
        if self._ground is not None:
            here, there = self._ground.metres(one.foot), self._ground.metres(other.foot)
            if here is not None and there is not None:
                return math.dist(here, there)
        (x1, y1), (x2, y2) = one.foot, other.foot
        away = math.hypot((x1 - x2) * aspect, DEPTH_STRETCH * (y1 - y2))
        return away * self.metres_per_height(one, aspect)

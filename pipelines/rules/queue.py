"""How long a queue is: the greatest extent of vehicles that stand close to each other."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from pipelines.rules.zone_geometry import GroundPlane, Vector
from pipelines.track import Track

LINK_M: Final = 15.0
"""Vehicles of one queue are no further apart than this, metres between their rears."""

VEHICLE_M: Final = 5.0
"""Length of the last vehicle, metres."""


def queue_metres(waiting: Iterable[Track], ground: GroundPlane) -> float:
    """Length of the longest queue that some vehicles make, metres; 0 without any on the ground."""
    found = (ground.metres(track.box.foot) for track in waiting)
    left: list[Vector] = [place for place in found if place is not None]
    longest = 0.0
    while left:
        queue, grown = [left.pop()], 0
        while grown < len(queue):
            here, grown = queue[grown], grown + 1
            near = [place for place in left if math.dist(place, here) <= LINK_M]
            queue += near
            left = [place for place in left if place not in near]
        extent = max(math.dist(one, other) for one in queue for other in queue)
        longest = max(longest, extent + VEHICLE_M)
    return longest

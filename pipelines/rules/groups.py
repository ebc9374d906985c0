"""`GroupFinder`: the largest group in a zone: persons who stand or walk slowly, near each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from pipelines.rules.zone_geometry import Vector, ZoneShape, on_plane
from pipelines.rules.zone_tracks import SpeedGauge
from pipelines.track import Track

NEAR_M: Final = 2.0
NEAR_HEIGHTS: Final = 1.2
"""How near somebody must be to another of the group, in metres or in heights of both."""

SLOW_MPS: Final = 0.7
SLOW_HEIGHTS_PS: Final = 0.4
"""Who is faster passes: metres, or own heights, per second. Walking is 1.3 m/s or 0.75."""


class Group(NamedTuple):
    """Persons who are near each other.

    Attributes:
        members: Who they are.
        centre: Their middle on the plane of `on_plane`.
    """

    members: list[Track]
    centre: Vector


NOBODY: Final = Group([], (0.0, 0.0))


class GroupFinder:
    """Finds the largest group in one zone."""

    def __init__(self, shape: ZoneShape) -> None:
        self._shape = shape
        self._gauge = SpeedGauge(shape.ground)
        self._near = NEAR_M if shape.ground else NEAR_HEIGHTS
        self._slow = SLOW_MPS if shape.ground else SLOW_HEIGHTS_PS

    def observe(self, persons: Sequence[Track], at_s: float) -> Group:
        """The largest group in a frame; a person whose speed is not known yet counts as slow.

        Args:
            persons: All persons on foot in view.
            at_s: Monotonic time, seconds.
        """
        self._gauge.observe(persons, at_s)
        slow = [
            person
            for person in persons
            if self._shape.contains(person.box.foot) and (self.speed(person) or 0.0) <= self._slow
        ]
        placed = [(person, self.place(person)) for person in slow]
        known = [(person, place) for person, place in placed if place is not None]
        if not known:
            return NOBODY
        places = np.array([place for _, place in known])
        heights = np.array([p.box.y2 - p.box.y1 for p, _ in known])
        unit = np.ones(len(known)) if self._shape.ground else np.maximum(heights, 1e-6)
        rows = _largest(places, self._near * (unit[:, None] + unit) / 2)
        centre = places[rows].mean(axis=0)
        return Group([known[row][0] for row in rows], (float(centre[0]), float(centre[1])))

    def speed(self, person: Track) -> float | None:
        """Metres, or own heights, per second; None until it is known."""
        return self._gauge.speed(person)

    def velocity(self, person: Track) -> Vector | None:
        """The same as a vector on the plane of `on_plane`, per second."""
        return self._gauge.velocity(person)

    def place(self, person: Track) -> Vector | None:
        """Where a person is on that plane; None near the horizon."""
        return on_plane(person.box.foot, self._shape.ground, person.aspect)


def _largest(places: npt.NDArray[np.float64], reach: npt.NDArray[np.float64]) -> list[int]:
    """Rows of the largest set in which each of the (N, 2) places is within reach of another."""
    near = np.hypot(*(places[:, None] - places).T) <= reach
    left, largest = set(range(len(places))), list[int]()
    while len(left) > len(largest):
        found, edge = set[int](), {left.pop()}
        while edge:
            found |= edge
            edge = {int(row) for row in np.flatnonzero(near[list(edge)].any(axis=0))} & left
            left -= edge
        if len(found) > len(largest):
            largest = sorted(found)
    return largest

"""`PeopleLog`: who was where in the last minute, for a thing that is known only seconds later.

Static change says of a thing that it has lain there for some seconds. Who brought it, and when they
left, is asked about the time before.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from models.detections import Box, plain_label
from pipelines.rules.ground_scale import DEPTH_STRETCH, PERSON_M
from pipelines.rules.zone_geometry import GroundPlane
from pipelines.track import CYCLES, PERSONS, VEHICLES, Track

KEPT_S: Final = 60.0
SPACING_S: Final = 0.35

VEHICLE_HEIGHTS: Final = 0.6
"""A vehicle is beside what lies nearer to its box than this many of its heights."""

BEFORE_S: Final = 20.0
AFTER_S: Final = 3.0
"""Whoever was near in this time before a thing came, or after, may have brought it. Covered times
do not count as still, so that it may have come earlier than a static change says."""

LARGEST_LOAD: Final = 0.35
"""Longest side of what was put out of a vehicle, as a share of that of the vehicle's box."""

WALK_MPS: Final = 1.3
"""How fast people walk: between two frames they are elsewhere."""

SPANS_KEPT: Final = 9


@dataclass(frozen=True, slots=True)
class OwnerReach:
    """Within which distance a person may belong to a thing.

    Attributes:
        metres: On calibrated ground.
        heights: In heights of that person, without calibration.
    """

    metres: float
    heights: float


@dataclass(frozen=True, slots=True)
class PeopleSighting:
    """The people and vehicles of one frame; `at_s` is its monotonic time, seconds."""

    at_s: float
    persons: tuple[Track, ...]
    vehicles: tuple[Track, ...]


class PeopleLog:
    """The people and vehicles before a camera in the last minute.

    Attributes:
        interval_s: The usual time between two frames, seconds.
        newest: Those of the newest frame.
        gap_s: When the newest pause ended that was too long to know what was in it.
    """

    def __init__(self) -> None:
        self._sightings: deque[PeopleSighting] = deque()
        self._spans: deque[float] = deque(maxlen=SPANS_KEPT)
        self.newest = PeopleSighting(-math.inf, (), ())
        self.interval_s = 0.0
        self.gap_s = -math.inf

    def observe(self, tracks: Sequence[Track], at_s: float, max_gap_s: float) -> None:
        """Takes a frame; a pause longer than `max_gap_s` seconds is a gap."""
        before_s = self.newest.at_s
        persons = tuple(track for track in tracks if plain_label(track.label) in PERSONS)
        others = VEHICLES | CYCLES
        vehicles = tuple(track for track in tracks if plain_label(track.label) in others)
        self.newest = PeopleSighting(at_s, persons, vehicles)
        if math.isinf(before_s) or at_s - before_s > max_gap_s:
            self.gap_s = at_s
        else:
            self._spans.append(at_s - before_s)
            self.interval_s = sorted(self._spans)[len(self._spans) // 2]
        if self._sightings and at_s - self._sightings[-1].at_s < SPACING_S:
            return
        self._sightings.append(self.newest)
        while self._sightings[0].at_s < at_s - KEPT_S:
            self._sightings.popleft()

    def since(self, begin_s: float) -> Iterator[PeopleSighting]:
        """What was seen from a time on, and the last of what was seen before it."""
        later = [one for one in self._sightings if one.at_s > begin_s]
        earlier = len(self._sightings) - len(later) - 1
        if earlier >= 0:
            yield self._sightings[earlier]
        yield from later

    def has_bringer(
        self, thing: Box, since_s: float, reach: OwnerReach, ground: GroundPlane | None
    ) -> bool:
        """Whether somebody was beside a thing when it came: a person, or a vehicle that has left.

        Args:
            thing: Where it lies.
            since_s: Since when it has lain there, monotonic seconds.
            reach: Within which distance a person may belong to it.
            ground: The ground plane, where there is one.
        """
        walked_m = WALK_MPS * self.interval_s / 2
        wide = OwnerReach(reach.metres + walked_m, reach.heights + walked_m / PERSON_M)
        last_s = since_s + AFTER_S + self.interval_s
        then = [one for one in self.since(since_s - BEFORE_S) if one.at_s <= last_s]
        if any(is_near(thing, person, wide, ground) for one in then for person in one.persons):
            return True
        stays = any(is_beside(thing, vehicle) for vehicle in self.newest.vehicles)
        return not stays and any(is_beside(thing, car) for one in then for car in one.vehicles)


def is_near(thing: Box, person: Track, reach: OwnerReach, ground: GroundPlane | None) -> bool:
    """Whether a person is so near to a thing that it may be theirs."""
    foot, spot = person.box.foot, thing.foot
    if ground is not None:
        here, there = ground.metres(foot), ground.metres(spot)
        if here is None or there is None:
            return False
        return math.dist(here, there) <= reach.metres
    height = person.box.y2 - person.box.y1
    deep = DEPTH_STRETCH * (foot[1] - spot[1])
    return math.hypot((foot[0] - spot[0]) * person.aspect, deep) <= reach.heights * height


def is_beside(thing: Box, vehicle: Track) -> bool:
    """Whether a vehicle is so near to a thing that it may have been put out of it.

    What is nearly as large as the vehicle is none that came out of it, but one that waits.
    """
    x1, y1, x2, y2 = vehicle.box
    aspect = vehicle.aspect
    length = max((x2 - x1) * aspect, y2 - y1)
    if max((thing.x2 - thing.x1) * aspect, thing.y2 - thing.y1) > LARGEST_LOAD * length:
        return False
    margin = VEHICLE_HEIGHTS * (y2 - y1)
    x, y = thing.foot
    across = margin / vehicle.aspect
    return x1 - across <= x <= x2 + across and y1 - margin <= y <= y2 + margin

"""`TrafficPace`: how fast a cycle is, compared with the motor traffic of the last minute there."""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Iterable
from heapq import nsmallest
from typing import Final, NamedTuple

from models.detections import Box, plain_label
from pipelines.rules.zone_geometry import GroundPlane, ZoneShape
from pipelines.rules.zone_tracks import SpeedGauge
from pipelines.track import CYCLES, VEHICLES, Track

FOLLOWED: Final = VEHICLES | CYCLES

LATELY_S, NOW_S = 60.0, 15.0
"""So long what vehicles did says how fast traffic is; what they did now says more than before."""

ENOUGH: Final = 3
"""So many samples of now are enough."""

SAMPLE_EVERY_S: Final = 0.4
SAMPLES_KEPT: Final = 1500

NEAREST: Final = 9
NEAR: Final = 0.05
"""In the image speeds depend on the distance: those of so many vehicles are compared whose feet are
nearest in height, within this share of the height of the image."""

HAS_DRIVEN_BOXES: Final = 1.0
"""A vehicle counts as traffic, however slow it is now, when it has moved by so many heights of its
box. A parked one does not."""

STANDS_MPS: Final = 1.0
STANDS_HEIGHTS_PS: Final = 0.15
"""What is slower stands or creeps: metres, or heights of its box, per second. Boxes shake, so that
speeds below it cannot be compared."""


class _PaceSample(NamedTuple):
    """How fast a vehicle was somewhere; 0 where it stood."""

    at_s: float
    foot_y: float
    speed: float


class TrafficPace:
    """How fast motor vehicles are in one zone.

    Speeds are in metres per second on the ground, in image heights per second without calibration.
    """

    def __init__(self, shape: ZoneShape) -> None:
        self._shape = shape
        self._gauge = SpeedGauge(shape.ground)
        self._samples: deque[_PaceSample] = deque(maxlen=SAMPLES_KEPT)
        self._first: dict[int, Box] = {}
        self._sampled_s = -math.inf

    @property
    def ground(self) -> GroundPlane | None:
        """What speeds are measured on; None in the image."""
        return self._shape.ground

    def observe(self, tracks: Iterable[Track], at_s: float) -> None:
        """Takes all tracks of a frame."""
        followed = [track for track in tracks if plain_label(track.label) in FOLLOWED]
        self._gauge.observe(followed, at_s)
        if at_s - self._sampled_s < SAMPLE_EVERY_S:
            return
        self._sampled_s = at_s
        while self._samples and at_s - self._samples[0].at_s > LATELY_S:
            self._samples.popleft()
        vehicles = [track for track in followed if plain_label(track.label) in VEHICLES]
        self._first = {one.id: self._first.get(one.id, one.box) for one in vehicles}
        for vehicle in vehicles:
            if not (self._shape.contains(vehicle.box.foot) and self._has_driven(vehicle)):
                continue
            # Speeds cost most.
            speed = self.speed(vehicle)
            if speed is not None:
                least = STANDS_MPS if self.ground else STANDS_HEIGHTS_PS * _height(vehicle.box)
                drives = speed if speed >= least else 0.0
                self._samples.append(_PaceSample(at_s, vehicle.box.y2, drives))

    def speed(self, track: Track) -> float | None:
        """How fast a track is; None until there is enough history."""
        velocity = self._gauge.velocity(track)
        return None if velocity is None else math.hypot(*velocity)

    def at(self, track: Track, at_s: float) -> float | None:
        """How fast traffic is where a track is; 0 where it stands, None where nothing is known."""
        foot_y = track.box.y2
        near = [
            one
            for one in self._samples
            if self.ground is not None or abs(one.foot_y - foot_y) <= NEAR
        ]
        now = [one for one in near if at_s - one.at_s <= NOW_S]
        known = now if len(now) >= ENOUGH else near
        if known:
            if self.ground is None:
                known = nsmallest(NEAREST, known, key=lambda one: abs(one.foot_y - foot_y))
            return statistics.median(one.speed for one in known)
        # A queue stands at all of its places.
        stands = self._samples and not statistics.median(one.speed for one in self._samples)
        return 0.0 if stands else None

    def _has_driven(self, vehicle: Track) -> bool:
        (x1, y1), (x2, y2) = self._first[vehicle.id].foot, vehicle.box.foot
        way = math.hypot((x2 - x1) * vehicle.aspect, y2 - y1)
        return way >= HAS_DRIVEN_BOXES * _height(vehicle.box)


def _height(box: Box) -> float:
    return box.y2 - box.y1

"""`TrafficPace`: how fast a cycle is, compared with the motor traffic of the last minute there."""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

from models.detections import Box, plain_label
from pipelines.rules.zone_geometry import GroundPlane, ZoneShape
from pipelines.rules.zone_tracks import SpeedGauge
from pipelines.track import VEHICLES, Track

LATELY_S: Final = 60.0
"""So long what vehicles did says how fast traffic is."""

SAMPLE_EVERY_S: Final = 0.4
SAMPLES_KEPT: Final = 1500

NEAREST: Final = 9
NEAR: Final = 0.05
"""In the image speeds depend on the distance: those of so many vehicles are compared whose feet are
nearest in height, within this share of the height of the image."""

HAS_DRIVEN_BOXES: Final = 1.0
"""A vehicle counts as traffic, however slow it is now, when it has moved by so many heights of its
box. A parked one does not."""


class _PaceSample(NamedTuple):
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
        followed = list(tracks)
        self._gauge.observe(followed, at_s)
        if at_s - self._sampled_s < SAMPLE_EVERY_S:
            return
        self._sampled_s = at_s
        while self._samples and at_s - self._samples[0].at_s > LATELY_S:
            self._samples.popleft()
        vehicles = [track for track in followed if plain_label(track.label) in VEHICLES]
        self._first = {one.id: self._first.get(one.id, one.box) for one in vehicles}
        for vehicle in vehicles:
            speed = self.speed(vehicle)
            inside = self._shape.contains(vehicle.box.foot)
            if speed is not None and inside and self._has_driven(vehicle):
                self._samples.append(_PaceSample(at_s, vehicle.box.y2, speed))

    def speed(self, track: Track) -> float | None:
        """How fast a track is; None until there is enough history."""
        velocity = self._gauge.velocity(track)
        return None if velocity is None else math.hypot(*velocity)

    def at(self, track: Track) -> float | None:
        """How fast traffic was where a track is; None where nothing is known of it."""
        if self._shape.ground is not None:
            speeds = [sample.speed for sample in self._samples]
        else:
            foot_y = track.box.y2
            near = (one for one in self._samples if abs(one.foot_y - foot_y) <= NEAR)
            nearest = sorted(near, key=lambda one: abs(one.foot_y - foot_y))[:NEAREST]
            speeds = [sample.speed for sample in nearest]
        return statistics.median(speeds) if speeds else None

    def _has_driven(self, vehicle: Track) -> bool:
        (x1, y1), (x2, y2) = self._first[vehicle.id].foot, vehicle.box.foot
        way = math.hypot((x2 - x1) * vehicle.aspect, y2 - y1)
        return way >= HAS_DRIVEN_BOXES * (vehicle.box.y2 - vehicle.box.y1)

"""`ZoneVehicles`: the vehicles in one zone with spot, speed and free flow, each of them once."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from models.detections import plain_label
from pipelines.rules.free_flow import Course, FreeFlow
from pipelines.rules.parked_spots import ParkedSpots, VehicleSpot, single_vehicles
from pipelines.rules.rule import Memory
from pipelines.rules.zone_geometry import Vector, ZoneShape
from pipelines.rules.zone_tracks import SpeedGauge
from pipelines.track import VEHICLES, Track

STANDING_S: Final = 4.0
"""A vehicle that has stayed at its spot for so long stands, seconds."""

MIN_SPEEDS: Final = 2
"""So often a speed must have been measured on a course before it is learned from."""


@dataclass(frozen=True, slots=True)
class SeenVehicle:
    """A vehicle in a zone.

    Attributes:
        track: As the tracker gives it.
        spot: Where it is.
        stayed_s: How long it has been at its spot, seconds.
        speed: m/s, without calibration box heights per second; None while it is not known.
        free_flow: What traffic drives here when nothing holds it up, in the same unit; None while
            that is not known.
    """

    track: Track
    spot: VehicleSpot
    stayed_s: float
    speed: float | None
    free_flow: float | None

    @property
    def is_standing(self) -> bool:
        """Whether it has been at its spot for a while."""
        return self.stayed_s >= STANDING_S

    @property
    def is_driving(self) -> bool:
        """Whether it was seen to come to this spot just now."""
        return self.spot.drove and not self.is_standing


@dataclass(slots=True)
class _Pass:
    """What one vehicle did on one course in the zone."""

    course: Course
    seen_s: float
    stopped: bool = False
    speeds: list[float] = field(default_factory=list)


class ZoneVehicles:
    """The vehicles of one zone; learns free flow from them.

    Attributes:
        every: All vehicles of the camera that the newest frame shows, each once.
    """

    def __init__(self, shape: ZoneShape) -> None:
        self._shape = shape
        self._spots = ParkedSpots()
        self._gauge = SpeedGauge(shape.ground)
        self._free_flow = FreeFlow(calibrated=shape.ground is not None)
        self._passes: dict[int, _Pass] = {}
        self.every: Sequence[Track] = ()

    def observe(
        self, tracks: Sequence[Track], at_s: float, *, jam: bool = False
    ) -> list[SeenVehicle]:
        """Takes one frame: all tracks of the camera.

        Args:
            tracks: All of the camera.
            at_s: Monotonic time, seconds.
            jam: Whether there is a jam: nothing is learned from it.
        """
        every = single_vehicles(t for t in tracks if plain_label(t.label) in VEHICLES)
        self.every = every
        spots = self._spots.observe(every, at_s, jam=jam)
        inside = [track for track in every if self._shape.contains(track.box.foot)]
        self._gauge.observe(inside, at_s)
        seen = []
        for track in inside:
            spot = spots[track.id]
            # Speeds cost most, and nobody asks for those of parked vehicles.
            speed = None if spot.is_parked else self._gauge.speed(track)
            velocity = self._way(track) if speed is not None else (0.0, 0.0)
            stayed_s = at_s - spot.since_s
            course = self._free_flow.course(track.box.foot[1], velocity)
            free_flow = self._free_flow.at(course, any_way=stayed_s >= STANDING_S)
            vehicle = SeenVehicle(track, spot, stayed_s, speed, free_flow)
            seen.append(vehicle)
            if speed is not None:
                self._follow(vehicle, course, speed, at_s, jam)
        self._learn(at_s)
        return seen

    def remember(self, at_s: float) -> Memory:
        """What it knows of the place."""
        return {"spots": self._spots.remember(at_s), "free_flow": self._free_flow.remember()}

    def recall(self, memory: Memory, age_s: float, at_s: float) -> None:
        """Takes what `remember` gave `age_s` seconds ago.

        Raises:
            ValueError, KeyError, TypeError: It is no such thing.
        """
        spots: Sequence[Sequence[Any]] = memory["spots"]
        self._free_flow.recall(memory["free_flow"])
        self._spots.recall(spots, age_s, at_s)

    def _way(self, track: Track) -> Vector:
        """Where it drives; of no account on the ground, where free flow is one for all ways."""
        if self._shape.ground is not None:
            return 0.0, 0.0
        return self._gauge.velocity(track) or (0.0, 0.0)

    def _follow(
        self, vehicle: SeenVehicle, course: Course, speed: float, at_s: float, jam: bool
    ) -> None:
        passing = self._passes.get(vehicle.track.id)
        if passing is None or passing.course != course:
            if passing is not None:
                self._finish(passing)
            passing = self._passes[vehicle.track.id] = _Pass(course, at_s)
        passing.seen_s = at_s
        passing.stopped = passing.stopped or jam or not vehicle.is_driving
        passing.speeds.append(speed)

    def _learn(self, at_s: float) -> None:
        for track, passing in list(self._passes.items()):
            if passing.seen_s < at_s:
                del self._passes[track]
                self._finish(passing)

    def _finish(self, passing: _Pass) -> None:
        if not passing.stopped and len(passing.speeds) >= MIN_SPEEDS:
            self._free_flow.learn(passing.course, statistics.median(passing.speeds))

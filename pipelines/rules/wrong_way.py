"""`traffic.wrong_way`: a vehicle drives against the direction of a zone, or across a line.

A vehicle counts once it has driven a minimum distance against the direction, at a minimum speed,
without stopping or turning. One incident per zone or line covers all vehicles that do so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import Field

from models.detections import plain_label
from pipelines.incident import Severity
from pipelines.rules.condition import Condition
from pipelines.rules.rule import (
    FrameSignals,
    Identity,
    Moment,
    RuleParameters,
    RuleResult,
    RuleType,
)
from pipelines.rules.situation import Reading, Situation, SituationWatch
from pipelines.rules.zone import ImagePoint
from pipelines.rules.zone_geometry import LineShape, Vector, ZoneShape, on_plane
from pipelines.rules.zone_tracks import MAX_INTERVAL_S, SpeedGauge
from pipelines.track import VEHICLES, Track

MPS_PER_KMH: Final = 1 / 3.6

MIN_COSINE: Final = 0.5
"""Movement within 60° of the opposite direction counts as against it; crossing traffic does not."""

MIN_BOX_HEIGHTS: Final = 0.5
"""Least movement in the image, in heights of the box: boxes shake by less than this."""

MISSED_S: Final = 1.5
"""How long a vehicle that is missed leaves open whether it still drives the wrong way."""


class WrongWayParameters(RuleParameters):
    """When a vehicle counts as driving the wrong way."""

    confirm_s: float = Field(
        default=1.0, ge=0, le=3600, description="seconds it must go on until it is an incident"
    )
    labels: tuple[str, ...] = Field(
        default=tuple(sorted(VEHICLES)),
        min_length=1,
        description="labels of the vehicles that are watched",
        examples=["[car, truck, motorcycle]"],
    )
    min_speed_kmh: float = Field(
        default=10.0, gt=0, le=200, description="least speed in km/h (calibrated cameras)"
    )
    min_distance_m: float = Field(
        default=8.0,
        gt=0,
        le=500,
        description="least distance in metres against the direction (calibrated cameras)",
    )
    min_speed_share: float = Field(
        default=0.03,
        gt=0,
        le=5,
        description="least speed in shares of the image's height per second (uncalibrated)",
        json_schema_extra={"unit": "1/s"},
    )
    min_distance_share: float = Field(
        default=0.06,
        gt=0,
        le=1,
        description="least distance in shares of the image's height (uncalibrated)",
    )


@dataclass(slots=True)
class _Run:
    """A vehicle's movement against the direction, since it last did anything else.

    Attributes:
        foot: Where it began in the image.
        place: The same on the plane of `on_plane`.
        seen_s: When the vehicle was last seen.
        counts: Whether it is far enough to count.
        speed: Newest speed against the direction, on the same plane per second.
        distance: The way against the direction so far, on the same plane.
    """

    foot: ImagePoint
    place: Vector
    seen_s: float
    counts: bool = False
    speed: float = 0.0
    distance: float = 0.0


class _WrongWayWatch(SituationWatch):
    """One zone or line, with at most one incident at a time."""

    def __init__(
        self, shape: ZoneShape | LineShape, identity: Identity, parameters: WrongWayParameters
    ) -> None:
        self._shape = shape
        self._labels = {plain_label(label) for label in parameters.labels}
        self._gauge = SpeedGauge(shape.ground)
        self._situation = Situation(identity, parameters)
        self._runs: dict[int, _Run] = {}
        self._min_speed = parameters.min_speed_share
        self._min_distance = parameters.min_distance_share
        if shape.ground is not None:
            self._min_speed = parameters.min_speed_kmh * MPS_PER_KMH
            self._min_distance = parameters.min_distance_m

    def observe(self, tracks: Sequence[Track], at: Moment, signals: FrameSignals) -> RuleResult:
        vehicles = [track for track in tracks if plain_label(track.label) in self._labels]
        self._gauge.observe(vehicles, at.mono_s)
        for vehicle in vehicles:
            self._follow(vehicle, at.mono_s)
        self._runs = {
            track: run for track, run in self._runs.items() if at.mono_s - run.seen_s <= MISSED_S
        }
        wrong = [
            track for track in vehicles if track.id in self._runs and self._runs[track.id].counts
        ]
        return RuleResult(self._situation.observe(self._read(wrong), at))

    def _follow(self, vehicle: Track, at_s: float) -> None:
        """Begins, continues or ends the run of a vehicle that is seen."""
        velocity = self._gauge.velocity(vehicle)
        place = on_plane(vehicle.box.foot, self._shape.ground, vehicle.aspect)
        if velocity is None or place is None or not self._is_against(vehicle, velocity):
            self._runs.pop(vehicle.id, None)
            return
        run = self._runs.setdefault(vehicle.id, _Run(vehicle.box.foot, place, at_s))
        run.seen_s = at_s
        run.speed = self._against(velocity, vehicle.aspect)
        way = (place[0] - run.place[0], place[1] - run.place[1])
        run.distance = self._against(way, vehicle.aspect)
        run.counts = run.counts or self._is_far(run, vehicle)

    def _is_against(self, vehicle: Track, velocity: Vector) -> bool:
        if isinstance(self._shape, ZoneShape) and not self._shape.contains(vehicle.box.foot):
            return False
        least = max(self._min_speed, MIN_COSINE * math.hypot(*velocity))
        return self._against(velocity, vehicle.aspect) >= least

    def _is_far(self, run: _Run, vehicle: Track) -> bool:
        foot, height = vehicle.box.foot, vehicle.box.y2 - vehicle.box.y1
        moved = math.hypot((foot[0] - run.foot[0]) * vehicle.aspect, foot[1] - run.foot[1])
        return (
            run.distance >= self._min_distance
            and moved >= MIN_BOX_HEIGHTS * height
            and (isinstance(self._shape, ZoneShape) or self._shape.is_crossed(run.foot, foot))
        )

    def _against(self, vector: Vector, aspect: float) -> float:
        """The part of a movement that goes against the direction."""
        x, y = self._shape.direction(aspect)
        return -(vector[0] * x + vector[1] * y)

    def _conditions(self) -> tuple[Condition, ...]:
        """What the vehicle that has come furthest is compared with."""
        furthest = max(self._runs.values(), key=lambda run: run.distance, default=None)
        speed = furthest.speed if furthest is not None else None
        distance = furthest.distance if furthest is not None else None
        speed_unit, unit = ("m/s", "m") if self._shape.ground is not None else ("1/s", "1")
        return (
            Condition("speed_against", speed, self._min_speed, speed_unit),
            Condition("distance_against", distance, self._min_distance, unit),
        )

    def _read(self, wrong: list[Track]) -> Reading:
        conditions = self._conditions()
        if not wrong:
            missed = any(run.counts for run in self._runs.values())
            note = "" if self._runs else "no vehicle drives against the direction"
            return Reading(holds=None if missed else False, conditions=conditions, note=note)
        detail = {"vehicles": float(len(wrong))}
        if self._shape.ground:
            velocities = [self._gauge.velocity(track) or (0.0, 0.0) for track in wrong]
            detail["speed_mps"] = round(max(math.hypot(*one) for one in velocities), 2)
        motor = any(plain_label(track.label) in VEHICLES for track in wrong)
        return Reading(
            holds=True,
            severity=Severity.HIGH if motor else Severity.MEDIUM,
            tracks=wrong,
            detail=detail,
            size=float(len(wrong)),
            conditions=conditions,
        )


WRONG_WAY: Final = RuleType(
    kind="traffic.wrong_way",
    version="1",
    task="traffic",
    Parameters=WrongWayParameters,
    zone=_WrongWayWatch,
    line=_WrongWayWatch,
    needs_direction=True,
    max_interval_s=MAX_INTERVAL_S,
)

"""`traffic.congestion`: many vehicles in a zone, and slow, for a while."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final, Self

from pydantic import Field

from pipelines.incident import EndReason, Severity, Transition
from pipelines.labels import VEHICLES, plain
from pipelines.rules.rule import Moment, RuleParameters
from pipelines.rules.situation import Identity, Reading, Situation, subjects_of
from pipelines.rules.speed import SpeedGauge
from pipelines.track import Track
from pipelines.zone import Zone
from pipelines.zone_geometry import ZoneShape

EXIT_COUNT_SHARE: Final = 0.75
EXIT_SPEED_FACTOR: Final = 1.5
"""An open congestion lasts until there are clearly fewer vehicles or they are clearly faster."""

KNOWN_SPEED_SHARE: Final = 0.5
"""Share of the vehicles whose speed must be known before their median says anything."""

MEDIUM_COUNT, HIGH_COUNT = 1.5, 2.0
MEDIUM_AFTER_S, HIGH_AFTER_S = 60.0, 300.0


class CongestionParameters(RuleParameters):
    """When traffic counts as congested."""

    min_vehicles: int = Field(default=6, ge=1, le=200, description="least vehicles in the zone")
    max_speed_mps: float = Field(
        default=1.5,
        gt=0,
        le=30,
        description="metres per second that the median vehicle stays below (calibrated cameras)",
    )
    max_speed_boxes: float = Field(
        default=0.4,
        gt=0,
        le=20,
        description="box heights per second that the median vehicle stays below (uncalibrated)",
    )


class _Approach:
    """One zone of the rule."""

    def __init__(self, shape: ZoneShape, situation: Situation, par: CongestionParameters) -> None:
        self._shape = shape
        self._gauge = SpeedGauge(shape.ground)
        self._parameters = par
        self._limit = par.max_speed_mps if shape.ground else par.max_speed_boxes
        self._speed_name = "median_speed_mps" if shape.ground else "median_speed_boxes_per_s"
        self.situation = situation

    def observe(self, vehicles: Sequence[Track], at: Moment) -> Transition | None:
        inside = [vehicle for vehicle in vehicles if self._shape.contains(vehicle.box.foot)]
        self._gauge.observe(inside, at.mono_s)
        return self.situation.observe(self._read(inside, at), at)

    def _read(self, inside: list[Track], at: Moment) -> Reading:
        enough, limit = self._parameters.min_vehicles, self._limit
        if self.situation.is_open:
            enough = math.ceil(enough * EXIT_COUNT_SHARE)
            limit *= EXIT_SPEED_FACTOR
        if len(inside) < enough:
            return Reading(holds=False, subjects=subjects_of(inside))
        gauged = [self._gauge.speed(vehicle) for vehicle in inside]
        speeds = [speed for speed in gauged if speed is not None]
        if len(speeds) < max(1, KNOWN_SPEED_SHARE * len(inside)):
            return Reading(holds=None, subjects=subjects_of(inside))
        median = statistics.median(speeds)
        return Reading(
            holds=median < limit,
            severity=self._severity(len(inside), at),
            subjects=subjects_of(inside),
            detail={"vehicles": float(len(inside)), self._speed_name: round(median, 2)},
        )

    def _severity(self, vehicles: int, at: Moment) -> Severity:
        ratio = vehicles / self._parameters.min_vehicles
        lasted_s = self.situation.open_for_s(at)
        if ratio >= HIGH_COUNT or lasted_s >= HIGH_AFTER_S:
            return Severity.HIGH
        if ratio >= MEDIUM_COUNT or lasted_s >= MEDIUM_AFTER_S:
            return Severity.MEDIUM
        return Severity.LOW


class CongestionRule:
    """Congestion on one camera: one incident at a time per zone."""

    kind: ClassVar[str] = "traffic.congestion"
    version: ClassVar[str] = "1"
    task: ClassVar[str] = "traffic"
    Parameters: ClassVar[type[RuleParameters]] = CongestionParameters

    def __init__(
        self, camera: str, zones: Sequence[Zone], parameters: CongestionParameters, epoch: str
    ) -> None:
        variant = parameters.model_dump_json()
        self._approaches = tuple(
            _Approach(
                ZoneShape(zone),
                Situation(
                    Identity(self.kind, camera, zone.name, epoch, variant=variant), parameters
                ),
                parameters,
            )
            for zone in zones
        )

    @classmethod
    def build(
        cls, camera: str, zones: Sequence[Zone], parameters: Mapping[str, float], epoch: str
    ) -> Self:
        """See `RuleType.build`."""
        return cls(camera, zones, CongestionParameters.model_validate(parameters), epoch)

    def observe(self, tracks: Sequence[Track], at: Moment) -> tuple[Transition, ...]:
        """See `Rule.observe`."""
        vehicles = [track for track in tracks if plain(track.label) in VEHICLES]
        transitions = (approach.observe(vehicles, at) for approach in self._approaches)
        return tuple(transition for transition in transitions if transition)

    def close(self, reason: EndReason, at: Moment) -> tuple[Transition, ...]:
        """See `Rule.close`."""
        transitions = (approach.situation.close(reason, at) for approach in self._approaches)
        return tuple(transition for transition in transitions if transition)

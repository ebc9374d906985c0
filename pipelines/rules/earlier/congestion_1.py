"""`traffic.congestion`: many vehicles in a zone, and slow, for a while.

Parked vehicles do not count, motorcycles and bicycles neither.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
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
from pipelines.rules.zone_geometry import ZoneShape
from pipelines.rules.zone_tracks import (
    MAX_INTERVAL_S,
    ParkedVehicleFilter,
    Presence,
    SpeedGauge,
)
from pipelines.track import VEHICLES, Track

EXIT_COUNT_SHARE: Final = 0.75
EXIT_SPEED_FACTOR: Final = 1.5
"""An open congestion lasts until there are clearly fewer vehicles or they are clearly faster."""

KNOWN_SPEED_SHARE: Final = 0.5
"""Share of the vehicles whose speed must be known before their median is used."""

MEDIUM_COUNT, HIGH_COUNT = 1.5, 2.0
MEDIUM_AFTER_S, HIGH_AFTER_S = 60.0, 300.0


class EarlierCongestionParameters(RuleParameters):
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
        json_schema_extra={"unit": "heights/s"},
    )


class _EarlierCongestionWatch(SituationWatch):
    """One zone, with at most one incident at a time."""

    def __init__(
        self, shape: ZoneShape, identity: Identity, parameters: EarlierCongestionParameters
    ) -> None:
        self._presence = Presence(shape, VEHICLES)
        self._parked = ParkedVehicleFilter()
        self._gauge = SpeedGauge(shape.ground)
        self._parameters = parameters
        self._limit = parameters.max_speed_mps if shape.ground else parameters.max_speed_boxes
        self._speed_unit = "m/s" if shape.ground else "box heights/s"
        self._speed_name = "median_speed_mps" if shape.ground else "median_speed_boxes_per_s"
        self._situation = Situation(identity, parameters)

    def observe(self, tracks: Sequence[Track], at: Moment, signals: FrameSignals) -> RuleResult:
        vehicles = [track for track in tracks if plain_label(track.label) in VEHICLES]
        traffic = self._parked.traffic(vehicles, at.mono_s, jam=self._situation.is_open)
        seen, count = self._presence.observe(traffic, at.mono_s)
        self._gauge.observe(seen, at.mono_s)
        return RuleResult(self._situation.observe(self._read(seen, count, at), at))

    def _read(self, seen: list[Track], vehicles: int, at: Moment) -> Reading:
        enough, limit = self._parameters.min_vehicles, self._limit
        if self._situation.is_open:
            enough = math.ceil(enough * EXIT_COUNT_SHARE)
            limit *= EXIT_SPEED_FACTOR
        many = Condition("vehicles", float(vehicles), float(enough))
        slow = Condition("median_speed", None, limit, self._speed_unit, at_least=False)
        if vehicles < enough:
            return Reading(holds=False, tracks=seen, conditions=(many, slow))
        gauged = [self._gauge.speed(vehicle) for vehicle in seen]
        speeds = [speed for speed in gauged if speed is not None]
        if len(speeds) < max(1, KNOWN_SPEED_SHARE * len(seen)):
            note = "the speed of too few vehicles is known"
            return Reading(holds=None, tracks=seen, conditions=(many, slow), note=note)
        median = statistics.median(speeds)
        ratio = vehicles / self._parameters.min_vehicles
        lasted_s = at.mono_s - self._situation.opened_s
        severity = Severity.LOW
        if ratio >= HIGH_COUNT or lasted_s >= HIGH_AFTER_S:
            severity = Severity.HIGH
        elif ratio >= MEDIUM_COUNT or lasted_s >= MEDIUM_AFTER_S:
            severity = Severity.MEDIUM
        return Reading(
            holds=median < limit,
            severity=severity,
            tracks=seen,
            detail={"vehicles": float(vehicles), self._speed_name: round(median, 2)},
            conditions=(many, replace(slow, value=median)),
        )


CONGESTION_1: Final = RuleType(
    kind="traffic.congestion",
    version="1",
    task="traffic",
    Parameters=EarlierCongestionParameters,
    zone=_EarlierCongestionWatch,
    max_interval_s=MAX_INTERVAL_S,
)

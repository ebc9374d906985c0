"""`crowding.density`: more persons in a zone than it should hold, for a while.

Levels of persons per square metre are those of Fruin ("Pedestrian Planning and Design", 1971): from
0.72 on a walkway has level of service D, where passing others is restricted; from 1.08 E, where all
change their pace; from 2.17 F, where people touch each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import Field

from pipelines.incident import Severity
from pipelines.rules.condition import Condition
from pipelines.rules.crowd_counter import CrowdCount, CrowdCounter
from pipelines.rules.rule import (
    FrameSignals,
    Identity,
    Memory,
    Moment,
    RuleParameters,
    RuleResult,
    RuleType,
)
from pipelines.rules.situation import Reading, Situation, SituationWatch
from pipelines.rules.zone_geometry import ZoneShape
from pipelines.track import Track

LEVELS_PER_M2: Final = (0.72, 1.08, 2.17)
LEVELS_TIMES: Final = (1.5, 2.0, 3.0)
"""Multiples of the least number of persons, for uncalibrated cameras."""


class DensityParameters(RuleParameters):
    """When a place counts as crowded."""

    confirm_s: float = Field(
        default=5.0, ge=0, le=3600, description="seconds it must go on until it is an incident"
    )
    min_persons: int = Field(default=8, ge=1, le=1000, description="least persons in the zone")
    max_per_m2: float = Field(
        default=0.3,
        gt=0,
        le=10,
        description="persons per square metre from which on it is crowded (calibrated cameras)",
    )
    exit_share: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="share of the thresholds below which an incident begins to end",
    )


class _DensityWatch(SituationWatch):
    """One zone, with at most one incident at a time."""

    def __init__(self, shape: ZoneShape, identity: Identity, parameters: DensityParameters) -> None:
        self._area_m2 = shape.area_m2
        self._counter = CrowdCounter(shape)
        self._parameters = parameters
        self._situation = Situation(identity, parameters)

    def observe(self, tracks: Sequence[Track], at: Moment, signals: FrameSignals) -> RuleResult:
        reading = self._read(self._counter.observe(tracks, at.mono_s))
        return RuleResult(self._situation.observe(reading, at))

    def remember(self, at: Moment) -> Memory:
        return self._counter.remember()

    def recall(self, memory: Memory, age_s: float, at: Moment) -> None:
        self._counter.recall(memory, age_s, at)

    def _read(self, count: CrowdCount) -> Reading:
        parameters, area_m2 = self._parameters, self._area_m2
        share = parameters.exit_share if self._situation.is_open else 1.0
        detail = {"persons": float(count.persons), "persons_error": count.error}
        conditions = [Condition("persons", count.persons, share * parameters.min_persons)]
        levels, level_of = LEVELS_TIMES, count.persons / parameters.min_persons
        if area_m2:
            levels, level_of = LEVELS_PER_M2, count.persons / area_m2
            detail["persons_per_m2"] = round(level_of, 3)
            limit = share * parameters.max_per_m2
            conditions.append(Condition("persons_per_m2", level_of, limit, "1/m2"))
        return Reading(
            holds=all(condition.holds for condition in conditions),
            severity=tuple(Severity)[sum(level_of >= level for level in levels)],
            tracks=count.seen,
            detail=detail,
            size=float(count.persons),
            conditions=conditions,
            note=count.note,
        )


DENSITY: Final = RuleType(
    kind="crowding.density",
    version="2",
    task="crowding",
    Parameters=DensityParameters,
    zone=_DensityWatch,
)

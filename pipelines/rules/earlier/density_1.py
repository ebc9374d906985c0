"""`crowding.density`: more persons in a zone than it should hold, for a while.

Whoever rides a cycle is traffic and does not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import Field

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
from pipelines.rules.zone_tracks import Presence
from pipelines.track import PERSONS, Track, tracks_on_foot

MEDIUM_RATIO: Final = 1.5
HIGH_RATIO: Final = 2.0


class EarlierDensityParameters(RuleParameters):
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


class _EarlierDensityWatch(SituationWatch):
    """One zone, with at most one incident at a time."""

    def __init__(
        self, shape: ZoneShape, identity: Identity, parameters: EarlierDensityParameters
    ) -> None:
        self._area_m2 = shape.area_m2
        self._presence = Presence(shape, PERSONS)
        self._parameters = parameters
        self._situation = Situation(identity, parameters)

    def observe(self, tracks: Sequence[Track], at: Moment, signals: FrameSignals) -> RuleResult:
        seen, persons = self._presence.observe(tracks_on_foot(tracks), at.mono_s)
        return RuleResult(self._situation.observe(self._read(seen, persons), at))

    def _read(self, seen: list[Track], persons: int) -> Reading:
        parameters, area_m2 = self._parameters, self._area_m2
        detail = {"persons": float(persons)}
        exit_share = parameters.exit_share if self._situation.is_open else 1.0
        conditions = [Condition("persons", float(persons), parameters.min_persons * exit_share)]
        ratio = persons / parameters.min_persons
        if area_m2:
            per_m2 = persons / area_m2
            detail["persons_per_m2"] = round(per_m2, 3)
            limit = parameters.max_per_m2 * exit_share
            conditions.append(Condition("persons_per_m2", per_m2, limit, "1/m2"))
            ratio = min(ratio, per_m2 / parameters.max_per_m2)
        return Reading(
            holds=ratio >= exit_share,
            severity=_severity(ratio),
            tracks=seen,
            detail=detail,
            conditions=conditions,
        )


def _severity(ratio: float) -> Severity:
    if ratio >= HIGH_RATIO:
        return Severity.HIGH
    return Severity.MEDIUM if ratio >= MEDIUM_RATIO else Severity.LOW


DENSITY_1: Final = RuleType(
    kind="crowding.density",
    version="1",
    task="crowding",
    Parameters=EarlierDensityParameters,
    zone=_EarlierDensityWatch,
)

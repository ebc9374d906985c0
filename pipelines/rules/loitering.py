"""`crowding.loitering`: somebody stays in a zone for longer than a limit, without leaving it.

Who waits is no loiterer: draw the zone without the stop at which people wait, or set the limit
above what they wait.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from pydantic import Field

from pipelines.incident import Severity
from pipelines.rules.condition import Condition
from pipelines.rules.false_persons import FalsePersons, FalsePersonsWatch
from pipelines.rules.rule import (
    FrameSignals,
    Identity,
    Moment,
    RuleParameters,
    RuleResult,
    RuleType,
)
from pipelines.rules.situation import Reading, Situation, SituationWatch
from pipelines.rules.stays import Stay, Stays
from pipelines.rules.zone_geometry import ZoneShape
from pipelines.track import Track, tracks_on_foot

MEDIUM_TIMES, HIGH_TIMES = 2.0, 4.0
"""Multiples of the limit."""

STEP_S: Final = 30.0
"""The stay becomes greater in steps of this length, so that not every frame is a new peak."""


class LoiteringParameters(RuleParameters):
    """When a stay is too long."""

    confirm_s: float = Field(
        default=2.0, ge=0, le=3600, description="seconds it must go on until it is an incident"
    )
    expire_s: float = Field(
        default=10.0, ge=0, le=3600, description="seconds it must be over until the incident ends"
    )
    limit_s: float = Field(
        default=180.0, ge=10, le=86400, description="seconds that a person may stay in the zone"
    )


class _LoiteringWatch(SituationWatch, FalsePersonsWatch):
    """One zone, with at most one incident at a time: of all who stay too long."""

    def __init__(
        self, shape: ZoneShape, identity: Identity, parameters: LoiteringParameters
    ) -> None:
        self._shape = shape
        self._limit_s = parameters.limit_s
        self._false = FalsePersons()
        self._stays = Stays()
        self._situation = Situation(identity, parameters)

    def observe(self, tracks: Sequence[Track], at: Moment, signals: FrameSignals) -> RuleResult:
        persons = self._false.leave_out(tracks_on_foot(tracks), at.mono_s)
        inside = [person for person in persons if self._shape.contains(person.box.foot)]
        here = {person.id for person in inside}
        outside = [person for person in persons if person.id not in here]
        stays = self._stays.observe(inside, outside, at.mono_s)
        return RuleResult(self._situation.observe(self._read(stays, at.mono_s), at))

    def _read(self, stays: Sequence[Stay], at_s: float) -> Reading:
        longest_s = max((stay.length_s(at_s) for stay in stays), default=0.0)
        conditions = [Condition("longest_stay", round(longest_s, 1), self._limit_s, "s")]
        long = [stay for stay in stays if stay.length_s(at_s) >= self._limit_s]
        if not long:
            return Reading(holds=False, conditions=conditions)
        times = longest_s / self._limit_s
        severity = Severity.MEDIUM if times >= MEDIUM_TIMES else Severity.LOW
        return Reading(
            # Somebody who is out of sight for a moment has neither stayed nor left.
            holds=True if any(stay.track.last_seen_s >= at_s for stay in long) else None,
            severity=Severity.HIGH if times >= HIGH_TIMES else severity,
            tracks=[stay.track for stay in long],
            detail={"persons": float(len(long)), "longest_stay_s": round(longest_s, 1)},
            size=len(long) + math.floor(longest_s / STEP_S),
            conditions=conditions,
        )


LOITERING: Final = RuleType(
    kind="crowding.loitering",
    version="1",
    task="crowding",
    Parameters=LoiteringParameters,
    zone=_LoiteringWatch,
)

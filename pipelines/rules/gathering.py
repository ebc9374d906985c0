"""`crowding.gathering`: within a short time many come together, and stay near each other."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from pydantic import Field

from pipelines.incident import Severity
from pipelines.rules.condition import Condition
from pipelines.rules.density import LEVELS_TIMES
from pipelines.rules.false_persons import FalsePersons, FalsePersonsWatch
from pipelines.rules.groups import Group, GroupFinder
from pipelines.rules.hysteresis import MAX_GAP_S
from pipelines.rules.rule import (
    FrameSignals,
    Identity,
    Moment,
    RuleParameters,
    RuleResult,
    RuleType,
)
from pipelines.rules.situation import Reading, Situation, SituationWatch
from pipelines.rules.steady import SteadyCount
from pipelines.rules.zone_geometry import ZoneShape
from pipelines.rules.zone_tracks import MAX_INTERVAL_S
from pipelines.track import Track, tracks_on_foot

STEADY_S: Final = 1.0

COVERED_S: Final = 10.0
"""How long a group may be out of sight, such as behind a bus, without being new after it. So long
a place must be watched until it is known how many were there."""


class GatheringParameters(RuleParameters):
    """When people gather."""

    confirm_s: float = Field(
        default=5.0, ge=0, le=3600, description="seconds it must go on until it is an incident"
    )
    min_persons: int = Field(
        default=6, ge=2, le=1000, description="least persons who are near each other"
    )
    min_growth: int = Field(
        default=4, ge=1, le=1000, description="least number by which the group has grown"
    )
    window_s: float = Field(
        default=60.0, ge=10, le=3600, description="seconds within which it has grown by that"
    )
    exit_share: float = Field(
        default=0.7,
        gt=0,
        le=1,
        description="share of `min_persons` below which an incident begins to end",
    )


class _Size(NamedTuple):
    at_s: float
    persons: int
    most: int
    """The greatest size of the newest `COVERED_S`."""


class _Growth:
    """How much a group has grown within a window."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._sizes: deque[_Size] = deque()
        self._since_s = 0.0

    def observe(self, persons: int, at_s: float) -> int | None:
        """Takes the size of the group now; None until it is known how large it was before."""
        sizes = self._sizes
        if not sizes or not 0 <= at_s - sizes[-1].at_s <= MAX_GAP_S:
            sizes.clear()
            self._since_s = at_s
        recent = [size.persons for size in sizes if size.at_s >= at_s - COVERED_S]
        sizes.append(_Size(at_s, persons, max((persons, *recent))))
        while sizes[0].at_s < at_s - self._window_s:
            sizes.popleft()
        known_s = self._since_s + COVERED_S
        least = min((size.most for size in sizes if size.at_s >= known_s), default=None)
        return None if least is None else max(0, persons - least)


class _GatheringWatch(SituationWatch, FalsePersonsWatch):
    """One zone, with at most one incident at a time."""

    def __init__(
        self, shape: ZoneShape, identity: Identity, parameters: GatheringParameters
    ) -> None:
        self._parameters = parameters
        self._false = FalsePersons()
        self._finder = GroupFinder(shape)
        self._persons = SteadyCount(STEADY_S)
        self._growth = _Growth(parameters.window_s)
        self._situation = Situation(identity, parameters)
        self._last_s = float("-inf")

    def observe(self, tracks: Sequence[Track], at: Moment, signals: FrameSignals) -> RuleResult:
        persons = self._false.leave_out(tracks_on_foot(tracks), at.mono_s)
        group = self._finder.observe(persons, at.mono_s)
        number = self._persons.add(len(group.members), at.mono_s)
        growth = self._growth.observe(number, at.mono_s)
        pause_s, self._last_s = at.mono_s - self._last_s, at.mono_s
        # After a longer pause no speed is known, and whoever passes would belong to a group.
        reading = Reading(holds=None)
        if pause_s < MAX_INTERVAL_S:
            reading = self._read(group, number, growth)
        return RuleResult(self._situation.observe(reading, at))

    def _read(self, group: Group, persons: int, growth: int | None) -> Reading:
        parameters, is_open = self._parameters, self._situation.is_open
        limit = parameters.min_persons * (parameters.exit_share if is_open else 1.0)
        conditions = [Condition("persons_together", persons, limit)]
        if not is_open:
            # It has to come about in a short time, and may stay.
            conditions.append(Condition("growth", growth, parameters.min_growth))
        times = persons / parameters.min_persons
        return Reading(
            holds=all(condition.holds for condition in conditions),
            severity=tuple(Severity)[sum(times >= level for level in LEVELS_TIMES)],
            tracks=group.members,
            detail={"persons": float(persons), "grown_by": float(growth or 0)},
            size=float(persons),
            conditions=conditions,
        )


GATHERING: Final = RuleType(
    kind="crowding.gathering",
    version="1",
    task="crowding",
    Parameters=GatheringParameters,
    zone=_GatheringWatch,
    max_interval_s=MAX_INTERVAL_S,
)
